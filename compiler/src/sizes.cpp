// Limits are checked before memory is taken: a tensor that overflows or exceeds the machine is
// named together with the largest others.
#include <algorithm>
#include <cmath>

#include "passes.h"

namespace braid {
namespace {

struct Tensor {
  double bytes;
  std::string name;
};

std::string readable(double bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  for (; bytes >= 1024 && unit < 6; ++unit) bytes /= 1024;
  return shortest(std::round(bytes * 10) / 10) + " " + units[unit];
}

[[noreturn]] void refuse(const std::string& what, int64_t limit, std::vector<Tensor> tensors,
                         Mark mark) {
  std::ranges::stable_sort(tensors, std::greater<>{}, &Tensor::bytes);
  auto error =
      Error(Fault::run, "E0403", what + ", the machine has " + readable(double(limit)), mark)
          .help("a smaller batch, or `recompute: true` on blocks, takes less");
  for (size_t i = 0; i < std::min<size_t>(5, tensors.size()); ++i)
    error.first().note({}, readable(tensors[i].bytes) + "  " + tensors[i].name);
  throw Error(error.fault(), {error.first()});
}

double bytes_of(const Type& type, int64_t n) {
  double bytes = double(size_of(type.dtype));
  for (auto& dim : type.shape) bytes *= double(dim.value) * (dim.batched ? double(n) : 1);
  return bytes;
}

}  // namespace

void check_sizes(const Graph& graph, const CompileOptions& options) {
  constexpr double no_machine = 4.6e18;  // 2^62
  double limit = options.memory > 0 ? double(options.memory) : no_machine;
  std::vector<Tensor> tensors;
  double most = 0;
  Mark mark;
  for (auto& value : graph.values) {
    if (value.node < 0 && value.state < 0 && value.input < 0) continue;  // eliminated
    Tensor tensor{bytes_of(value.type, options.batch), {}};
    int call = value.node < 0 ? -1 : graph.nodes[size_t(value.node)].call;
    if (value.node >= 0) tensor.name = graph.nodes[size_t(value.node)].label;
    if (value.state >= 0) tensor.name = graph.states[size_t(value.state)].key;
    if (value.input >= 0) tensor.name = graph.inputs[size_t(value.input)].name;
    tensor.name += "  " + to_string(value.type);
    if (tensor.bytes > most) {
      most = tensor.bytes;
      mark = call < 0 ? Mark{} : graph.calls[size_t(call)].mark;
    }
    tensors.push_back(std::move(tensor));
  }
  if (most > limit)
    refuse("a single tensor takes " + readable(most), options.memory, std::move(tensors), mark);
}

void check_sizes(const Plan& plan, const CompileOptions& options) {
  if (options.memory <= 0) return;
  double need = 0;
  for (int64_t bytes : plan.arena) need += double(bytes);
  for (auto& state : plan.states) need += bytes_of(state.type, 0) * double(plan.devices.size());
  if (need <= double(options.memory)) return;
  std::vector<Tensor> tensors;
  for (auto& step : plan.steps)
    for (int s : plan.out(step))
      tensors.push_back({double(plan.slots[size_t(s)].bytes), describe(plan, step)});
  refuse("this plan needs " + readable(need), options.memory, std::move(tensors), {});
}

}  // namespace braid
