// Writes the Model that a module describes while its forward runs.
#pragma once
#include <map>

#include <braid/runtime/modules.h>

namespace braid {

class Tracer {
 public:
  Tracer(Module& root, bool synchronize);
  Model run(const std::vector<Type>& inputs);

  std::vector<Symbol> call(Module& module, const std::vector<Symbol>& x);
  std::vector<Symbol> layer(const Layer& layer, const std::vector<Symbol>& x);
  Symbol apply(const std::string& type, const std::vector<Symbol>& x, Dict params);

 private:
  Symbol add(LayerItem item, const std::vector<Symbol>& x);
  std::string fresh(const std::string& wanted);

  Module& root_;
  bool synchronize_;
  Model model_;
  std::map<const Module*, std::string> paths_;
  std::map<const Module*, int> first_call_;
  std::map<std::string, int> used_;
  std::vector<std::string> inside_;
};

}  // namespace braid
