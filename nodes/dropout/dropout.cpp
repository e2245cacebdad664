#include "dropout/dropout.h"

#include "ops/checks.h"

namespace braid {

DropoutRule::DropoutRule(const Dict& attrs, const Operand& x)
    : name(hash_text(get_text(attrs, "name"))), rows_each(get_int(attrs, "rows_each")) {
  const double p = get_double(attrs, "p");
  below = uint64_t(p * 0x1p53);
  scale = p < 1 ? 1 / (1 - p) : 0;
  features = x.dims.empty() || x.dims[0] == 0 ? 1 : x.elements() / x.dims[0];
}

namespace {

/// A slice in memory as [samples, blocks, spatial, lane]: plain formats have lanes of 1.
struct Blocks {
  int64_t samples, channels, lanes, spatial;

  explicit Blocks(const Operand& x) : samples(1), channels(1), lanes(channel_block(x.format)) {
    spatial = 1;
    if (lanes <= 1) {
      spatial = x.elements();
      return;
    }
    samples = x.dims[0];
    channels = x.dims[1];
    for (size_t d = 2; d < x.dims.size(); ++d) spatial *= x.dims[d];
  }

  /// Calls f(offset in memory, logical index) for all elements in the order of memory; the index
  /// of padding is -1.
  template <class F>
  void each(F f) const {
    int64_t at = 0;
    for (int64_t n = 0; n < samples; ++n)
      for (int64_t c = 0; c < channels; c += lanes)
        for (int64_t i = 0; i < spatial; ++i)
          for (int64_t lane = c; lane < c + lanes; ++lane, ++at)
            f(at, lane < channels ? (n * channels + lane) * spatial + i : -1);
  }
};

KernelBody make(const Signature& s) {
  return [rule = DropoutRule(s.attrs, s.in[0]), blocks = Blocks(s.in[0])](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    float* y = a.out<float>(0);
    const uint64_t key = rule.key(*a.scalars);
    const int64_t first = rule.first(a.first_sample);
    const float scale = float(rule.scale);
    blocks.each([&](int64_t at, int64_t index) {
      y[at] = index < 0 || rule.falls(key, first + index) ? 0 : x[at] * scale;
    });
  };
}

/// Any channel-blocked format will do; others do not tell where an element stands.
Kernel kernel() {
  Kernel any = elementwise_kernel("dropout", "cpu", make, true, 0);
  auto offer = [any = any.offer](const Signature& s, const DeviceTraits& traits) {
    Signature known = s;
    if (channel_block(s.in[0].format) == 0) known.in[0].format.clear();
    return any(known, traits);
  };
  return {"dropout", "cpu", offer};
}

Dict attrs_of(const Builder& b, const Call& c) {
  const Type& x = b.type(c.in[0]);
  return {{"p", get_double(c.params, "p")},
          {"name", c.path},
          {"rows_each", x.batched() ? x.shape[0].value : int64_t{0}}};
}

std::vector<int> forward(Builder& b, Call& c) {
  require_f32(b, c, 0);
  if (!b.training() || get_double(c.params, "p") == 0) return c.in;
  return b.add("dropout", c.in, attrs_of(b, c));
}

std::vector<int> gradient(Builder& b, const Call& c, const std::vector<int>& g) {
  if (!b.training() || get_double(c.params, "p") == 0) return g;
  return b.add("dropout", {g[0]}, attrs_of(b, c));
}

}  // namespace

void register_dropout(Registry& registry) {
  registry.add(OpDef{.name = "dropout", .infer = same_type});
  registry.add(kernel());
  register_dropout_references(registry);
  registry.add(LayerDef{
      .name = "Dropout",
      .doc = "In training sets elements to 0 at random and scales the others up; in evaluation "
             "passes its input on. Which elements fall depends on the seed, the step, the layer's "
             "path and the sample, never on replicas or devices.",
      .formula = "y = x * (u >= p) / (1 - p), u uniform in [0, 1)",
      .source = "Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from "
                "Overfitting, 2014",
      .inputs = {{"input", "any shape"}},
      .params = {{.name = "p",
                  .kind = ParamKind::number,
                  .doc = "probability of an element to be set to 0",
                  .fallback = 0.5,
                  .min = 0,
                  .max = 1}},
      .forward = forward,
      .gradient = gradient,
      .samples = {{.inputs = {{DType::f32, {N, 3, 7, 5}}}},
                  {.inputs = {{DType::f32, {N, 1}}}, .params = {{"p", 0.2}}, .note = "one channel"},
                  {.inputs = {{DType::f32, {N, 4}}}, .params = {{"p", 1}}, .note = "all fall"}}});
}

}  // namespace braid
