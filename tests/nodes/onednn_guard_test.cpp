// The guard against the host's OpenMP, on the shapes that show its absence. Every check is run
// twice: on our kernels, which must give equal bits, and on the same primitive called without the
// guard (a mutant), which must not: otherwise the check would prove nothing.
#include <omp.h>
#include <dnnl.hpp>

#include "nodes/onednn_rig.h"

namespace braid::test::onednn {
namespace {

class HostThreads {
 public:
  explicit HostThreads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~HostThreads() { omp_set_num_threads(before_); }

 private:
  int before_;
};

using Dims = dnnl::memory::dims;

dnnl::memory::desc plain(const Dims& dims) {
  using Tag = dnnl::memory::format_tag;
  auto tag = dims.size() == 1 ? Tag::a : dims.size() == 2 ? Tag::ab : Tag::abcd;
  return {dims, dnnl::memory::data_type::f32, tag};
}

// A primitive made and run as a careless caller would.
std::vector<float> unguarded(const dnnl::primitive_desc& pd, const dnnl::engine& engine,
                             const std::map<int, Plain>& in, int result) {
  dnnl::stream stream(engine);
  std::unordered_map<int, dnnl::memory> args;
  for (auto& [arg, values] : in) {
    dnnl::memory memory(pd.query_md(dnnl::query::exec_arg_md, arg), engine);
    dnnl::memory from(plain(values.dims), engine);
    std::copy(values.values.begin(), values.values.end(),
              static_cast<float*>(from.get_data_handle()));
    dnnl::reorder(from, memory).execute(stream, from, memory);
    args.emplace(arg, memory);
  }
  dnnl::memory out(pd.query_md(dnnl::query::exec_arg_md, result), engine);
  args.emplace(result, out);
  dnnl::primitive(pd).execute(stream, args);
  auto* values = static_cast<float*>(out.get_data_handle());
  return {values, values + out.get_desc().get_size() / sizeof(float)};
}

std::vector<float> unguarded_gemm(const Plain& x, const Plain& g) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  int64_t n = x.dims[0], in = x.dims[1], out = g.dims[1];
  dnnl::inner_product_forward::desc forward(dnnl::prop_kind::forward_training, plain({n, in}),
                                            plain({out, in}), plain({n, out}));
  dnnl::inner_product_backward_weights::desc desc(plain({n, in}), plain({out, in}),
                                                  plain({n, out}));
  dnnl::inner_product_backward_weights::primitive_desc pd(desc, engine, {forward, engine});
  return unguarded(pd, engine, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, g}}, DNNL_ARG_DIFF_WEIGHTS);
}

std::vector<float> unguarded_convolution(const Plain& x, const Plain& g) {
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  auto any = [](const Dims& dims) {
    return dnnl::memory::desc(dims, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any);
  };
  Dims one = {1, 1}, two = {2, 2}, weight = {g.dims[1], x.dims[1], 5, 5};
  constexpr auto direct = dnnl::algorithm::convolution_direct;
  dnnl::convolution_forward::desc forward(dnnl::prop_kind::forward_training, direct, any(x.dims),
                                          any(weight), any(g.dims), one, two, two);
  dnnl::convolution_backward_weights::desc desc(direct, any(x.dims), any(weight), any(g.dims), one,
                                                two, two);
  dnnl::convolution_backward_weights::primitive_desc pd(desc, engine, {forward, engine});
  return unguarded(pd, engine, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DIFF_DST, g}}, DNNL_ARG_DIFF_WEIGHTS);
}

/// Runs `make` with 1, 2 and 8 threads; whether all results were equal.
template <class Make>
bool equal_for_all_hosts(Make make) {
  std::vector<decltype(make())> results;
  for (int threads : {1, 2, 8}) {
    HostThreads host(threads);
    results.push_back(make());
  }
  return std::ranges::all_of(results, [&](auto& r) { return r == results[0]; });
}

std::vector<double> guarded(const Ask& ask) { return Rig().run(ask)[0].values; }

TEST(OneDnnGuard, TallMatrixProducts) {
  Plain x = random({8192, 20}, 1), g = random({8192, 64}, 2);
  Ask weight{"matmul", {{"transpose_a", true}}, {g, x}};
  Ask forward{"matmul", {{"transpose_b", true}}, {x, random({64, 20}, 3)}};
  EXPECT_TRUE(equal_for_all_hosts([&] { return guarded(weight); }));
  EXPECT_TRUE(equal_for_all_hosts([&] { return guarded(forward); }));
  EXPECT_FALSE(equal_for_all_hosts([&] { return unguarded_gemm(x, g); }));
}

TEST(OneDnnGuard, ConvolutionBackwardWeights) {
  Plain x = random({64, 16, 14, 14}, 1), g = random({64, 32, 14, 14}, 2);
  Attr::List one = {1, 1}, two = {2, 2, 2, 2}, kernel = {5, 5};
  Ask ask{"conv2d_grad_weight",
          {{"stride", one},
           {"padding", two},
           {"dilation", one},
           {"groups", 1},
           {"kernel_size", kernel}},
          {x, g}};
  EXPECT_TRUE(equal_for_all_hosts([&] { return guarded(ask); }));
  EXPECT_FALSE(equal_for_all_hosts([&] { return unguarded_convolution(x, g); }));
}

}  // namespace
}  // namespace braid::test::onednn
