// The convolutions through oneDNN. Activations and weights are free to choose their format, so that
// the jit kernels are picked. The weight of a grouped convolution has five dimensions there and
// four here: it stays plain outside, and its blocked copy lives in the workspace.
#include <braid/core/error.h>

#include "conv2d/ops.h"
#include "conv2d/size.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

using dnnl::algorithm;
using dnnl::prop_kind;
using onednn::Description;
using onednn::Dims;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;

Dims both(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

// What the three operations ask oneDNN for.
struct Question {
  ConvSize size;
  Description x, w, b, y;
  Dims stride, dilation, begin, end;
  bool bias;

  Question(const ConvSize& s, bool bias)
      : size(s),
        x(onednn::any({s.images, s.in_channels, s.input[0], s.input[1]})),
        w(onednn::any(weight_dims())),
        b(onednn::plain({s.out_channels})),
        y(onednn::any({s.images, s.out_channels, s.result[0], s.result[1]})),
        stride(both(s.stride)),
        dilation({s.dilation[0] - 1, s.dilation[1] - 1}),
        begin(both(s.begin)),
        end(both(s.end)),
        bias(bias) {}

  Dims weight_dims() const {
    if (size.groups == 1)
      return {size.out_channels, size.in_channels, size.kernel[0], size.kernel[1]};
    return {size.groups, size.group_out(), size.group_in(), size.kernel[0], size.kernel[1]};
  }

  // Eval has to give training's bits, so both ask for the same.
  Forward::desc forward() const {
    constexpr auto direct = algorithm::convolution_direct;
    constexpr auto training = prop_kind::forward_training;
    return bias ? Forward::desc(training, direct, x, w, b, y, stride, dilation, begin, end)
                : Forward::desc(training, direct, x, w, y, stride, dilation, begin, end);
  }

  BackwardData::desc backward_data() const {
    return {algorithm::convolution_direct, x, w, y, stride, dilation, begin, end};
  }

  BackwardWeights::desc backward_weights() const {
    constexpr auto direct = algorithm::convolution_direct;
    return bias ? BackwardWeights::desc(direct, x, w, b, y, stride, dilation, begin, end)
                : BackwardWeights::desc(direct, x, w, y, stride, dilation, begin, end);
  }
};

Forward::primitive_desc hint(const Question& q, const dnnl::engine& engine) {
  return {q.forward(), onednn::attributes(), engine};
}

bool named(const Description& md) { return onednn::format_of(md).has_value(); }

// The weight as the graph has it, seen by oneDNN.
Format weight_format(const Question& q, const Description& md) {
  return q.size.groups == 1 ? *onednn::format_of(md) : Format{};
}

// Where the primitive finds its weight: the operand itself, or a copy that a first step makes.
onednn::Place weight_input(onednn::Sequence& sequence, const Question& q, const Description& md) {
  auto plain = onednn::plain(q.weight_dims());
  if (q.size.groups == 1 || md == plain) return onednn::input(1);
  auto copy = sequence.workspace(md);
  dnnl::reorder::primitive_desc pd(sequence.engine(), plain, sequence.engine(), md,
                                   onednn::attributes());
  sequence.add(pd, {{DNNL_ARG_FROM, onednn::input(1)}, {DNNL_ARG_TO, copy}});
  return copy;
}

std::optional<Offer> forward_offer(const Signature& s) {
  Question q(conv_size(s.attrs, s.in[0], s.in[1], s.out[0]), s.in.size() > 2);
  onednn::Sequence sequence;
  auto desc = q.forward();
  auto pd = onednn::choose(
      [&] { return Forward::primitive_desc(desc, onednn::attributes(), sequence.engine()); },
      [](auto& p) {
        return named(p.src_desc()) && named(p.weights_desc()) && named(p.dst_desc());
      });
  if (!pd) return {};
  std::vector<onednn::Argument> arguments = {
      {DNNL_ARG_SRC, onednn::input(0)},
      {DNNL_ARG_WEIGHTS, weight_input(sequence, q, pd->weights_desc())},
      {DNNL_ARG_DST, onednn::output(0)}};
  std::vector<Format> in = {*onednn::format_of(pd->src_desc()),
                            weight_format(q, pd->weights_desc())};
  if (q.bias) {
    arguments.push_back({DNNL_ARG_BIAS, onednn::input(2)});
    in.push_back({});
  }
  sequence.add(*pd, std::move(arguments));
  return sequence.offer(std::move(in), {*onednn::format_of(pd->dst_desc())});
}

std::optional<Offer> grad_weight_offer(const Signature& s) {
  Question q(conv_size(s.attrs, s.in[0], s.out[0], s.in[1]), s.out.size() > 1);
  onednn::Sequence sequence;
  auto desc = q.backward_weights();
  auto forward = hint(q, sequence.engine());
  auto pd = onednn::choose(
      [&] {
        return BackwardWeights::primitive_desc(desc, onednn::attributes(), sequence.engine(),
                                               forward);
      },
      [](auto& p) {
        return named(p.src_desc()) && named(p.diff_weights_desc()) && named(p.diff_dst_desc());
      });
  if (!pd) return {};
  auto md = pd->diff_weights_desc(), plain = onednn::plain(q.weight_dims());
  bool copied = q.size.groups > 1 && md != plain;
  auto weight = copied ? sequence.workspace(md) : onednn::output(0);
  std::vector<onednn::Argument> arguments = {{DNNL_ARG_SRC, onednn::input(0)},
                                             {DNNL_ARG_DIFF_DST, onednn::input(1)},
                                             {DNNL_ARG_DIFF_WEIGHTS, weight}};
  std::vector<Format> out = {weight_format(q, md)};
  if (q.bias) {
    arguments.push_back({DNNL_ARG_DIFF_BIAS, onednn::output(1)});
    out.push_back({});
  }
  sequence.add(*pd, std::move(arguments));
  if (copied)
    sequence.add(dnnl::reorder::primitive_desc(sequence.engine(), md, sequence.engine(), plain,
                                               onednn::attributes()),
                 {{DNNL_ARG_FROM, weight}, {DNNL_ARG_TO, onednn::output(0)}});
  return sequence.offer(
      {*onednn::format_of(pd->src_desc()), *onednn::format_of(pd->diff_dst_desc())},
      std::move(out));
}

}  // namespace

std::optional<Offer> conv2d_grad_input_offer(const Signature& s) {
  Question q(conv_size(s.attrs, s.out[0], s.in[1], s.in[0]), false);
  onednn::Sequence sequence;
  auto desc = q.backward_data();
  auto forward = hint(q, sequence.engine());
  auto pd = onednn::choose(
      [&] {
        return BackwardData::primitive_desc(desc, onednn::attributes(), sequence.engine(), forward);
      },
      [](auto& p) {
        return named(p.diff_src_desc()) && named(p.weights_desc()) && named(p.diff_dst_desc());
      });
  if (!pd) return {};
  auto weight = weight_input(sequence, q, pd->weights_desc());
  sequence.add(*pd, {{DNNL_ARG_DIFF_DST, onednn::input(0)},
                     {DNNL_ARG_WEIGHTS, weight},
                     {DNNL_ARG_DIFF_SRC, onednn::output(0)}});
  return sequence.offer(
      {*onednn::format_of(pd->diff_dst_desc()), weight_format(q, pd->weights_desc())},
      {*onednn::format_of(pd->diff_src_desc())});
}

void register_conv2d_kernels(Registry& registry) {
  registry.add(onednn::kernel("conv2d", forward_offer));
  registry.add(onednn::kernel("conv2d_grad_input", conv2d_grad_input_offer));
  registry.add(onednn::kernel("conv2d_grad_weight", grad_weight_offer));
}

}  // namespace braid
