// What elementwise layers share, so that each of them is its formula and little else.
//
//   registry.add(map_kernel("relu", relu));                              // cpu, f32
//   registry.add(map_reference("relu", [](double x) { return x > 0 ? x : 0; }));
//   LayerDef def = activation("ReLU", "relu");   // forward "relu"(x), gradient "relu_grad"(g, y)
#pragma once
#include <functional>
#include <string>

#include <braid/core/layer.h>

namespace braid {

using Map1 = void (*)(const float* x, float* y, int64_t n);
using Map2 = void (*)(const float* a, const float* b, float* y, int64_t n);

/// f32 kernels on the CPU. They run over any memory format, and over its padding where that maps
/// zeros to zero; the result may take over the first input's memory.
Kernel map_kernel(std::string op, Map1 f, bool keeps_zero = true);
Kernel map_kernel(std::string op, Map2 f, bool keeps_zero = true);

/// The f64 judges of the same operations.
Kernel map_reference(std::string op, std::function<double(double)> f);
Kernel map_reference(std::string op, std::function<double(double, double)> f);

/// A layer of one input and no parameters, y = op(x), whose gradient is op_grad(g, y). Its doc,
/// formula and source are left to the caller.
LayerDef activation(std::string name, std::string op);

/// The same with the layer's parameters as attributes of both, and a gradient op_grad(g, x) that is
/// computed from the input.
LayerDef activation_of_input(std::string name, std::string op);

}  // namespace braid
