// Masks: what a layer takes for one, and the weights that it means, as numbers, one for each sample
// and point. They are made and judged once a layer; every pass over the activations reads them.
#include <cmath>

#include "batch_norm/parts.h"

namespace braid::batch_norm {
namespace {

std::vector<Type> flat(const Dict&, std::span<const Type> in) {
  int64_t points = 1;
  for (size_t i = 1; i < in[0].rank(); ++i) points *= in[0].shape[i].value;
  return {{DType::f32, {in[0].shape[0], points}}};
}

[[noreturn]] void refuse(double weight, int64_t sample) {
  throw Error(Fault::run, "E0412",
              "the mask holds " + shortest(weight) + " at sample " + std::to_string(sample))
      .help("a mask holds weights: 0 = this position is padding, more = how often it counts");
}

template <class To, class From>
KernelBody numbers(const Signature& s) {
  const int64_t samples = s.out[0].dim(0), points = s.out[0].dim(1);
  return [=](const KernelArgs& a) {
    const From* mask = a.in<From>(0);
    To* w = a.out<To>(0);
    for (int64_t n = 0; n < samples; ++n)
      for (int64_t i = n * points; i < (n + 1) * points; ++i) {
        if (!(mask[i] >= 0) || !std::isfinite(double(mask[i])))
          refuse(double(mask[i]), a.first_sample + n);
        w[i] = To(mask[i]);
      }
  };
}

template <class To>
KernelBody truths(const Signature& s) {
  return [count = s.in[0].elements()](const KernelArgs& a) {
    for (int64_t i = 0; i < count; ++i) a.out<To>(0)[i] = a.in<uint8_t>(0)[i] ? To(1) : To(0);
  };
}

template <class To>
KernelBody weights(const Signature& s) {
  if (s.in[0].dtype == DType::boolean) return truths<To>(s);
  if (s.in[0].dtype == DType::u8) return numbers<To, uint8_t>(s);
  return numbers<To, To>(s);
}

}  // namespace

void register_weights(Registry& r) {
  // mask -> w [N, points]
  r.add(OpDef{.name = "bn_weights", .infer = flat});
  r.add(plain_kernel("bn_weights", "cpu", weights<float>));
  r.add(plain_kernel("bn_weights", "reference", weights<double>));
}

void check_mask(const Builder& b, const Call& c) {
  const Type x = b.type(c.in[0]), mask = b.type(c.in[1]);
  if (mask.dtype != DType::f32 && mask.dtype != DType::u8 && mask.dtype != DType::boolean)
    b.fail("E0271", "mask is " + to_string(mask) + ", " + c.def->name + " needs f32, u8 or bool",
           "declare it with dtype u8, or f32 for weights between 0 and 1");
  Shape without = x.shape, single = x.shape;
  without.erase(without.begin() + 1);
  single[1] = 1;
  if (mask.shape != without && mask.shape != single)
    b.fail("E0270",
           "mask is " + to_string(mask.shape) + ", and the input " + to_string(x.shape) +
               ": a mask has one weight for each position, whatever its channel",
           "a mask of shape " + to_string(without) + " or " + to_string(single) + " fits");
}

}  // namespace braid::batch_norm
