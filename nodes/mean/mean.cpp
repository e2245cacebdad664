#include "mean/mean.h"

#include <algorithm>

#include "ops/checks.h"
#include "ops/shape_attr.h"

namespace braid {
namespace {

bool reduces(const Dict& attrs, size_t dim) {
  return std::ranges::count(get_ints(attrs, "dims"), int64_t(dim)) > 0;
}

/// Every element of the whole is at kept[k] + reduced[r]: k counts the results, r what goes into
/// each of them.
struct Walk {
  std::vector<int64_t> kept{0}, reduced{0};

  Walk(const std::vector<int64_t>& dims, const Dict& attrs) {
    int64_t stride = 1;
    for (size_t d = dims.size(); d-- > 0; stride *= dims[d])
      extend(reduces(attrs, d) ? reduced : kept, dims[d], stride);
  }

  // The new dimension is the outermost so far.
  static void extend(std::vector<int64_t>& offsets, int64_t size, int64_t stride) {
    const size_t inner = offsets.size();
    std::vector<int64_t> all;
    all.reserve(inner * size_t(size));
    for (int64_t i = 0; i < size; ++i)
      for (size_t j = 0; j < inner; ++j) all.push_back(i * stride + offsets[j]);
    offsets = std::move(all);
  }
};

KernelBody make_mean(const Signature& s) {
  return [walk = Walk(s.in[0].dims, s.attrs)](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    float* y = a.out<float>(0);
    for (int64_t at : walk.kept) {
      double sum = 0;
      for (int64_t offset : walk.reduced) sum += double(x[at + offset]);
      *y++ = float(sum / double(walk.reduced.size()));
    }
  };
}

KernelBody make_gradient(const Signature& s) {
  return [walk = Walk(s.out[0].dims, s.attrs)](const KernelArgs& a) {
    const float* g = a.in<float>(0);
    float* dx = a.out<float>(0);
    for (int64_t at : walk.kept) {
      const float share = *g++ / float(walk.reduced.size());
      for (int64_t offset : walk.reduced) dx[at + offset] = share;
    }
  };
}

std::vector<Type> infer_mean(const Dict& attrs, std::span<const Type> in) {
  Type out{in[0].dtype, {}};
  for (size_t d = 0; d < in[0].rank(); ++d) {
    if (!reduces(attrs, d))
      out.shape.push_back(in[0].shape[d]);
    else if (get_bool(attrs, "keepdim"))
      out.shape.push_back(1);
  }
  return {out};
}

Dict attrs_of(const Builder& b, const Call& c) {
  const Type& in = b.type(c.in[0]);
  Attr::List dims;
  for (size_t dim : resolve_dims(b, c)) dims.push_back(int64_t(dim));
  return {{"dims", std::move(dims)},
          {"keepdim", get_bool(c.params, "keepdim")},
          {"shape", to_attr(in.shape)}};
}

LayerDef layer() {
  const Type image{DType::f32, {N, 3, 7, 5}};
  return {.name = "Mean",
          .doc = "The mean over one or more dimensions, not over the batch.",
          .formula = "y = sum(x over dim) / size of dim",
          .inputs = {{"input", "any shape"}},
          .params = {{.name = "dim",
                      .kind = ParamKind::integers,
                      .doc = "dimensions to average over; negative ones count from the end"},
                     {.name = "keepdim",
                      .kind = ParamKind::boolean,
                      .doc = "keeps averaged dimensions with size 1",
                      .fallback = false}},
          .forward =
              [](Builder& b, Call& c) {
                require_f32(b, c, 0);
                return b.add("mean", c.in, attrs_of(b, c));
              },
          .gradient =
              [](Builder& b, const Call& c, const std::vector<int>& g) {
                return b.add("mean_grad", {g[0]}, attrs_of(b, c));
              },
          .samples = {{.inputs = {image}, .params = {{"dim", Attr::List{2, 3}}}},
                      {.inputs = {image},
                       .params = {{"dim", Attr::List{1, -1}}, {"keepdim", true}},
                       .note = "dimensions that are not neighbours"},
                      {.inputs = {{DType::f32, {N, 1}}},
                       .params = {{"dim", Attr::List{1}}},
                       .note = "one channel"}}};
}

}  // namespace

void register_mean(Registry& registry) {
  auto infer_gradient = [](const Dict& attrs, std::span<const Type> in) {
    return std::vector<Type>{{in[0].dtype, shape_of(*find(attrs, "shape"))}};
  };
  registry.add(OpDef{.name = "mean", .infer = infer_mean});
  registry.add(OpDef{.name = "mean_grad", .infer = infer_gradient});
  registry.add(plain_kernel("mean", "cpu", make_mean));
  registry.add(plain_kernel("mean_grad", "cpu", make_gradient));
  register_mean_references(registry);
  registry.add(layer());
}

}  // namespace braid
