#include "onednn/pool.h"

namespace braid::onednn {
namespace {

using Forward = dnnl::pooling_v2_forward;
using Backward = dnnl::pooling_v2_backward;

// The channel-blocked and channels-last formats that the jit kernels take, else plain.
Format pooling_format(const Format& has) {
  return channel_block(has) > 1 || has == "acdb" ? has : Format{};
}

struct Descriptions {
  Description x, y;
};

Descriptions described(const PoolQuestion& q, const Format& format) {
  Operand x = q.image, y = q.pooled;
  x.format = y.format = format;
  return {description(x), description(y)};
}

Dims gaps(const PoolQuestion& q) { return {q.dilation[0] - 1, q.dilation[1] - 1}; }

Forward::desc forward(const PoolQuestion& q, const Descriptions& d, bool indices) {
  auto kind = indices ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference;
  return {kind, q.algorithm, d.x, d.y, q.stride, q.kernel, gaps(q), q.begin, q.end};
}

Backward::desc backward(const PoolQuestion& q, const Descriptions& d) {
  return {q.algorithm, d.x, d.y, q.stride, q.kernel, gaps(q), q.begin, q.end};
}

// The format the image has if a fast implementation takes it, else plain. `find` is given the
// descriptions of image and result and the most reluctant implementation that it may return.
template <class Find>
auto chosen(const PoolQuestion& q, const Format& has, Find find) {
  Format format = pooling_format(has);
  auto pd = find(described(q, format), 1);
  if (!pd && !format.empty()) pd = find(described(q, format = {}), 1);
  if (!pd) pd = find(described(q, {}), 2);
  return std::pair(pd, format);
}

}  // namespace

std::optional<Offer> pool(const PoolQuestion& q, bool indices) {
  Sequence sequence;
  auto [pd, format] = chosen(q, q.image.format, [&](const Descriptions& d, int limit) {
    auto desc = forward(q, d, indices);
    return choose([&] { return Forward::primitive_desc(desc, attributes(), sequence.engine()); },
                  [&](auto& candidate) { return reluctance(candidate) <= limit; });
  });
  if (!pd) return {};
  std::vector<Argument> arguments = {{DNNL_ARG_SRC, input(0)}, {DNNL_ARG_DST, output(0)}};
  if (indices) arguments.push_back({DNNL_ARG_WORKSPACE, output(1)});
  sequence.add(*pd, std::move(arguments));
  return sequence.offer({format}, std::vector<Format>(indices ? 2 : 1, format));
}

std::optional<Offer> pool_gradient(const PoolQuestion& q, bool indices) {
  Sequence sequence;
  auto [pd, format] = chosen(q, q.pooled.format, [&](const Descriptions& d, int limit) {
    auto desc = backward(q, d);
    Forward::primitive_desc hint(forward(q, d, true), attributes(), sequence.engine());
    return choose(
        [&] { return Backward::primitive_desc(desc, attributes(), sequence.engine(), hint); },
        [&](auto& candidate) { return reluctance(candidate) <= limit; });
  });
  if (!pd) return {};
  std::vector<Argument> arguments = {{DNNL_ARG_DIFF_DST, input(0)}, {DNNL_ARG_DIFF_SRC, output(0)}};
  if (indices) arguments.push_back({DNNL_ARG_WORKSPACE, input(1)});
  sequence.add(*pd, std::move(arguments));
  return sequence.offer(std::vector<Format>(indices ? 2 : 1, format), {format});
}

}  // namespace braid::onednn
