// The ports that a Callback declares:
//
//   ports: {in: [x, gate], out: {y: [N, 10], mask: {shape: [N], dtype: i64}}}
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <braid/core/layer.h>

namespace braid {

struct CallbackPort {
  std::string name;
  std::optional<Type> type = {};  ///< of an input: only where it was declared
  Mark mark = {};
};

struct CallbackPorts {
  std::vector<CallbackPort> in, out;
  bool own = false;  ///< declared; else one input that is the output
};

/// Throws Error(model, "E0246") at what is not as it should be.
CallbackPorts callback_ports(const std::string& who, const Dict& params);

}  // namespace braid
