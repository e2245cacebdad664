// A thread computes whole elements: the program travels in the arguments of the launch, and all
// threads take the same way through it.
#include "math/math.h"

#include "cuda/axes.h"
#include "cuda/kernel.h"
#include "cuda/launch.h"
#include "math/program.h"
#include "math/spread.h"

namespace braid {
namespace math_cuda {

using namespace cuda;
using math::Op;

struct Code {
  struct Step {
    Op op;
    uint8_t a, b, c;
    float value;
  };
  Step steps[math::most_steps];
  int count = 0;

  explicit Code(const math::Program& program) {
    for (const math::Step& s : program) steps[count++] = {s.op, s.a, s.b, s.c, float(s.value)};
  }
};

/// How each input is spread over the result.
struct Inputs {
  Axes axes[math::most_inputs];
};

struct Part {
  float* y;
  const float* x[math::most_inputs];
  int64_t n;
};

__device__ float apply(Op op, float a, float b, float c) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    case Op::power:
      return float(pow(double(a), double(b)));
    case Op::min:
      return a != a || a < b ? a : b;
    case Op::max:
      return a != a || a > b ? a : b;
    case Op::less:
      return a < b ? 1.0f : 0.0f;
    case Op::less_equal:
      return a <= b ? 1.0f : 0.0f;
    case Op::equal:
      return a == b ? 1.0f : 0.0f;
    case Op::not_equal:
      return a != b ? 1.0f : 0.0f;
    case Op::choose:
      return a != 0 ? b : c;
    case Op::negate:
      return -a;
    case Op::abs:
      return fabsf(a);
    case Op::exp:
      return expf(a);
    case Op::log:
      return logf(a);
    case Op::sqrt:
      return sqrtf(a);
    case Op::sin:
      return sinf(a);
    case Op::cos:
      return cosf(a);
    case Op::tanh:
      return tanhf(a);
    case Op::erf:
      return erff(a);
    default: {  // sigmoid, from e^-|x|, so that both tails keep their precision
      const float e = expf(-fabsf(a));
      return (a < 0 ? e : 1.0f) / (1.0f + e);
    }
  }
}

__global__ void evaluate(const __grid_constant__ Parts<Part> parts,
                         const __grid_constant__ Code code, const __grid_constant__ Inputs in) {
  const Part& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  float r[math::most_steps];
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    for (int k = 0; k < code.count; ++k) {
      const Code::Step& s = code.steps[k];
      if (s.op == Op::input)
        r[k] = p.x[s.a][in.axes[s.a].at(i)];
      else
        r[k] = s.op == Op::constant ? s.value : apply(s.op, r[s.a], r[s.b], r[s.c]);
    }
    p.y[i] = r[code.count - 1];
  }
}

Axes axes_of(const math::Spread& spread) {
  Axes axes;
  for (auto& axis : spread.axes()) axes.push(axis.size, axis.stride);
  return axes;
}

/// The largest part: no axis of a batch of one is taken for nothing, and only the outermost axis
/// differs between parts, whose size `Axes::at` does not look at.
const Signature& largest(std::span<const Signature> signatures) {
  const Signature* most = &signatures[0];
  for (auto& s : signatures)
    if (s.in[0].elements() + s.out[0].elements() > most->in[0].elements() + most->out[0].elements())
      most = &s;
  return *most;
}

std::vector<int64_t> results(std::span<const Signature> signatures) {
  std::vector<int64_t> sizes;
  for (auto& s : signatures) sizes.push_back(s.out[0].elements());
  return sizes;
}

Launch make_math(std::span<const Signature> signatures) {
  const Signature& s = largest(signatures);
  const Code code(math::program_of(*find(s.attrs, "program")));
  Inputs in;
  const size_t count = s.in.size();
  for (size_t k = 0; k < count; ++k)
    in.axes[k] = axes_of(math::Spread(s.in[k].dims, s.out[0].dims));
  return {[=, sizes = results(signatures)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      Part p{.y = a.out<float>(0), .x = {}, .n = sizes[i]};
      for (size_t k = 0; k < count; ++k) p.x[k] = a.in<const float>(int(k));
      return p;
    };
    for_parts(args.parts, part, [&](const Parts<Part>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, evaluate, {blocks_for(most, 256), 1, parts.size()}, 256, parts, code, in);
    });
  }};
}

struct SumPart {
  const float* x;
  float* y;
  int64_t n, each;  ///< results, and how many elements go into one
};

__global__ void sum_up(const __grid_constant__ Parts<SumPart> parts,
                       const __grid_constant__ Axes kept, const __grid_constant__ Axes reduced) {
  const SumPart& p = parts.at[blockIdx.z];
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < p.n; i += step) {
    const float* x = p.x + kept.at(i);
    double sum = 0;
    for (int64_t r = 0; r < p.each; ++r) sum += double(x[reduced.at(r)]);
    p.y[i] = float(sum);
  }
}

Launch make_sum(std::span<const Signature> signatures) {
  const Signature& s = largest(signatures);
  const auto &from = s.in[0].dims, &to = s.out[0].dims;
  Axes kept, reduced;
  int64_t stride = s.in[0].elements();
  for (size_t d = 0; d < from.size(); ++d) {
    stride /= from[d];
    const size_t missing = from.size() - to.size();
    const bool stays = d >= missing && to[d - missing] == from[d];
    (stays ? kept : reduced).push(from[d], stride);
  }
  std::vector<int64_t> inputs;
  for (auto& signature : signatures) inputs.push_back(signature.in[0].elements());
  return {[=, sizes = results(signatures)](const LaunchArgs& args) {
    auto part = [&](const KernelArgs& a, size_t i) {
      return SumPart{a.in<const float>(0), a.out<float>(0), sizes[i], inputs[i] / sizes[i]};
    };
    for_parts(args.parts, part, [&](const Parts<SumPart>& parts) {
      int64_t most = 0;
      for (int k = 0; k < parts.count; ++k) most = std::max(most, parts.at[k].n);
      launch(args.queue, sum_up, {blocks_for(most, 128), 1, parts.size()}, 128, parts, kept,
             reduced);
    });
  }};
}

}  // namespace math_cuda

void register_math_cuda(Registry& registry) {
  using namespace math_cuda;
  registry.add(cuda::kernel("math", make_math));
  registry.add(cuda::kernel("sum_to", make_sum));
}

}  // namespace braid
