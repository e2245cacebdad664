// Batch norm on one thread, side by side in one run: Braid's kernels (plain and blocked), oneDNN's
// batch normalization (nchw and nChw16c), and a copy with non-temporal stores as the yardstick.
// Samples are interleaved, so that a noisy machine is noisy to all of them alike.
//
//   batch_norm_bench [samples=15] [text that a shape must contain]
//
// Prints a Markdown table of medians (and minima) in microseconds.
#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include <braid/nodes/builtin.h>

namespace {

using namespace braid;
using Clock = std::chrono::steady_clock;
constexpr float kEps = 1e-5f;

struct Free {
  void operator()(float* p) const { std::free(p); }
};
using Floats = std::unique_ptr<float[], Free>;

Floats floats(int64_t n) {
  const size_t bytes = (size_t(n) * 4 + (2u << 20)) / (2u << 20) * (2u << 20);
  Floats p(static_cast<float*>(std::aligned_alloc(2u << 20, bytes)));
  for (int64_t i = 0; i < n; ++i) p[i] = float((i * 7919 + i / 13) % 1000) * 0.002f - 0.9f;
  return p;
}

__attribute__((target("avx512f"))) void copy_512(const float* from, float* to, int64_t n) {
  for (int64_t i = 0; i + 32 <= n; i += 32) {
    _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
    _mm512_stream_ps(to + i + 16, _mm512_loadu_ps(from + i + 16));
  }
  _mm_sfence();
}

void copy_128(const float* from, float* to, int64_t n) {
  for (int64_t i = 0; i + 4 <= n; i += 4) _mm_stream_ps(to + i, _mm_loadu_ps(from + i));
  _mm_sfence();
}

void copy(const float* from, float* to, int64_t n) {
  __builtin_cpu_supports("avx512f") ? copy_512(from, to, n) : copy_128(from, to, n);
}

struct Row {
  std::string name;
  std::function<void()> run;
  std::vector<double> micros = {};

  // Once untimed: what another contender left in the caches shall not count.
  void sample() {
    run();
    auto begin = Clock::now();
    run();
    micros.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
  }
  double at(double share) {
    std::sort(micros.begin(), micros.end());
    return micros[size_t(share * double(micros.size() - 1))];
  }
};

// Memory that all contenders of one shape work on.
struct Data {
  std::vector<int64_t> dims;
  int64_t channels, elements;
  Floats x, y, g, dx, copied, weight, bias, mean, var, dweight, dbias;
  std::vector<double> moments, sums;

  explicit Data(std::vector<int64_t> shape) : dims(std::move(shape)), channels(dims[1]) {
    elements = storage_elements(dims, dims.size() == 4 ? "aBcd16b" : "");
    for (Floats* f : {&x, &y, &g, &dx, &copied}) *f = floats(elements);
    for (Floats* f : {&weight, &bias, &mean, &var, &dweight, &dbias}) *f = floats(channels);
    moments.resize(3 * channels);
    sums.resize(2 * channels);
    std::fill(&var[0], &var[channels], 1.0f);
  }
};

// One operation, bound; the workspace is its own.
class Bound {
 public:
  Bound(const Registry& r, const std::string& op, std::vector<Operand> in, Operand out, bool relu,
        std::vector<void*> inputs, void* output)
      : inputs_(std::move(inputs)), output_(output) {
    Signature s{op, {{"eps", double(kEps)}, {"relu", relu}}, std::move(in), {std::move(out)}};
    Offer offer = r.offer(s, {}).value();
    workspace_ = floats(offer.workspace / 4 + 1);
    body_ = offer.bind();
  }
  void operator()() {
    body_({.inputs = inputs_.data(), .outputs = &output_, .workspace = &workspace_[0]});
  }

 private:
  std::vector<void*> inputs_;
  void* output_;
  Floats workspace_;
  KernelBody body_;
};

void add_ours(std::vector<Row>& rows, const Registry& r, Data& d, const Format& format) {
  const std::string who = format.empty() ? "braid plain " : "braid 16c ";
  const Operand x{DType::f32, d.dims, format}, c{DType::f32, {d.channels}},
      m{DType::f64, {3, d.channels}}, s{DType::f64, {2, d.channels}};
  auto bound = [&](auto&&... args) { return std::make_shared<Bound>(r, args...); };
  void *px = &d.x[0], *pg = &d.g[0], *pm = d.moments.data(), *ps = d.sums.data(),
       *pw = &d.weight[0], *pb = &d.bias[0];
  using In = std::vector<Operand>;
  using Args = std::vector<void*>;
  auto moments = bound("moments", In{x}, m, false, Args{px}, pm);
  auto eval = bound("normalize_eval", In{x, c, c, c, c}, x, false,
                    Args{px, &d.mean[0], &d.var[0], pw, pb}, &d.y[0]);
  rows.push_back({who + "moments", [=] { (*moments)(); }});
  rows.push_back({who + "eval", [=] { (*eval)(); }});
  for (bool relu : {false, true}) {
    auto y = bound("normalize", In{x, m, c, c}, x, relu, Args{px, pm, pw, pb}, &d.y[0]);
    auto reduce = bound("bn_reduce", In{x, x, m, c, c}, s, relu, Args{pg, px, pm, pw, pb}, ps);
    auto dx = bound("bn_dx", In{x, x, m, s, c, c}, x, relu, Args{pg, px, pm, ps, pw, pb}, &d.dx[0]);
    const std::string with = relu ? "+relu" : "";
    rows.push_back({who + "fwd" + with, [=] { (*moments)(), (*y)(); }});
    rows.push_back({who + "bwd" + with, [=] { (*reduce)(), (*dx)(); }});
  }
}

void add_onednn(std::vector<Row>& rows, Data& d, bool blocked) {
  using namespace dnnl;
  using Tag = memory::format_tag;
  static engine cpu(engine::kind::cpu, 0);
  const std::string who = blocked ? "onednn 16c " : "onednn plain ";
  const Tag plain = d.dims.size() == 4 ? Tag::nchw : d.dims.size() == 3 ? Tag::ncw : Tag::nc;
  memory::desc md(memory::dims(d.dims.begin(), d.dims.end()), memory::data_type::f32,
                  blocked ? Tag::nChw16c : plain);
  memory::desc cd({d.channels}, memory::data_type::f32, Tag::a);
  auto at = [&](const memory::desc& desc, float* p) { return memory(desc, cpu, p); };
  for (bool relu : {false, true}) {
    auto flags = normalization_flags::use_scale | normalization_flags::use_shift;
    if (relu) flags |= normalization_flags::fuse_norm_relu;
    batch_normalization_forward::primitive_desc f({prop_kind::forward_training, md, kEps, flags},
                                                  cpu);
    batch_normalization_backward::primitive_desc b({prop_kind::backward, md, md, kEps, flags}, cpu,
                                                   f);
    std::unordered_map<int, memory> args{{DNNL_ARG_SRC, at(md, &d.x[0])},
                                         {DNNL_ARG_MEAN, at(cd, &d.mean[0])},
                                         {DNNL_ARG_VARIANCE, at(cd, &d.var[0])},
                                         {DNNL_ARG_SCALE, at(cd, &d.weight[0])},
                                         {DNNL_ARG_SHIFT, at(cd, &d.bias[0])}};
    if (relu) args[DNNL_ARG_WORKSPACE] = memory(f.workspace_desc(), cpu);
    auto forward = args, backward = args;
    forward[DNNL_ARG_DST] = at(md, &d.y[0]);
    backward[DNNL_ARG_DIFF_DST] = at(md, &d.g[0]);
    backward[DNNL_ARG_DIFF_SRC] = at(md, &d.dx[0]);
    backward[DNNL_ARG_DIFF_SCALE] = at(cd, &d.dweight[0]);
    backward[DNNL_ARG_DIFF_SHIFT] = at(cd, &d.dbias[0]);
    auto add = [&](std::string name, primitive p, std::unordered_map<int, memory> with) {
      rows.push_back({who + name + (relu ? "+relu" : ""), [=] {
                        stream s(cpu);
                        p.execute(s, with);
                        s.wait();
                      }});
    };
    add("fwd", batch_normalization_forward(f), forward);
    add("bwd", batch_normalization_backward(b), backward);
  }
  auto flags = normalization_flags::use_scale | normalization_flags::use_shift |
               normalization_flags::use_global_stats;
  batch_normalization_forward::primitive_desc e({prop_kind::forward_inference, md, kEps, flags},
                                                cpu);
  std::unordered_map<int, memory> args{
      {DNNL_ARG_SRC, at(md, &d.x[0])},        {DNNL_ARG_DST, at(md, &d.y[0])},
      {DNNL_ARG_MEAN, at(cd, &d.mean[0])},    {DNNL_ARG_VARIANCE, at(cd, &d.var[0])},
      {DNNL_ARG_SCALE, at(cd, &d.weight[0])}, {DNNL_ARG_SHIFT, at(cd, &d.bias[0])}};
  rows.push_back({who + "eval", [p = batch_normalization_forward(e), args] {
                    stream s(cpu);
                    p.execute(s, args);
                    s.wait();
                  }});
}

void print_cell(std::vector<Row>& rows, const std::string& name) {
  auto row = std::find_if(rows.begin(), rows.end(), [&](auto& r) { return r.name == name; });
  if (row == rows.end())
    std::printf(" – |");
  else
    std::printf(" %.0f (%.0f) |", row->at(0.5), row->at(0));
}

void bench(const Registry& registry, const std::vector<int64_t>& dims, int samples) {
  Data d(dims);
  std::vector<Row> rows;
  const bool image = dims.size() == 4;
  const int64_t values = storage_elements(dims, "");
  rows.push_back({"copy", [&] { copy(&d.x[0], &d.copied[0], values); }});
  add_ours(rows, registry, d, "");
  if (image) add_ours(rows, registry, d, "aBcd16b");
  add_onednn(rows, d, false);
  if (image && dims[1] % 16 == 0) add_onednn(rows, d, true);
  for (int i = -1; i < samples; ++i)
    for (auto& row : rows) {
      row.sample();
      if (i < 0) row.micros.clear();  // the first touches memory and fills caches
    }
  std::string shape;
  for (auto n : dims) shape += (shape.empty() ? "" : ",") + std::to_string(n);
  for (const char* op : {"moments", "fwd", "fwd+relu", "bwd", "bwd+relu", "eval"}) {
    std::printf("| %s | %s |", shape.c_str(), op);
    print_cell(rows, "copy");
    for (const char* who : {"braid plain ", "braid 16c ", "onednn plain ", "onednn 16c "})
      print_cell(rows, std::string(who) + op);
    std::printf("\n");
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  omp_set_num_threads(1);
  const int samples = argc > 1 ? std::atoi(argv[1]) : 15;
  const std::string only = argc > 2 ? argv[2] : "";
  Registry registry;
  register_builtin(registry);
  std::printf("| shape | pass | NT copy | braid plain | braid 16c | onednn plain | onednn 16c |\n");
  std::printf("|---|---|---|---|---|---|---|\n");
  for (const std::vector<int64_t>& dims : std::vector<std::vector<int64_t>>{{64, 16, 28, 28},
                                                                            {64, 32, 14, 14},
                                                                            {32, 64, 56, 56},
                                                                            {32, 256, 14, 14},
                                                                            {16, 64, 128, 128},
                                                                            {128, 16, 32, 32},
                                                                            {8, 512, 7, 7},
                                                                            {64, 3, 224, 224},
                                                                            {64, 20, 13, 13},
                                                                            {4096, 1024},
                                                                            {64, 512}}) {
    std::string shape;
    for (auto n : dims) shape += (shape.empty() ? "" : ",") + std::to_string(n);
    if (shape.find(only) != std::string::npos) bench(registry, dims, samples);
  }
}
