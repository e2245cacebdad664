// A plug-in whose layer says that the slope of 2x is 3: what `braid test-layer` is there to find.
#include <braid/plugin.h>

using namespace braid;

namespace {

template <class T>
KernelBody times(const Signature& s) {
  return [n = s.in[0].elements(), by = T(get_double(s.attrs, "by"))](const KernelArgs& a) {
    for (int64_t i = 0; i < n; ++i) a.out<T>(0)[i] = by * a.in<T>(0)[i];
  };
}

}  // namespace

BRAID_PLUGIN(registry) {
  registry.add(OpDef{.name = "wrong_times", .infer = same_type});
  registry.add(plain_kernel("wrong_times", "cpu", times<float>));
  registry.add(plain_kernel("wrong_times", "reference", times<double>));
  registry.add(LayerDef{.name = "Wrong",
                        .doc = "Doubles, and is wrong about its slope.",
                        .inputs = {{"input"}},
                        .forward =
                            [](Builder& b, Call& c) {
                              return b.add("wrong_times", c.in, {{"by", 2.0}});
                            },
                        .gradient =
                            [](Builder& b, const Call&, const std::vector<int>& g) {
                              return b.add("wrong_times", {g[0]}, {{"by", 3.0}});
                            },
                        .samples = {{.inputs = {{DType::f32, {N, 4}}}}}});
}
