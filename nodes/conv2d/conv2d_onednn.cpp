// The convolutions through oneDNN. Activations and weights are free to choose their format, so that
// the jit kernels are picked. The weight of a grouped convolution has one dimension more there than
// here: it stays plain outside, and its blocked copy lives in the workspace.
#include <braid/core/error.h>

#include "conv2d/flipped.h"
#include "conv2d/ops.h"
#include "conv2d/question.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

using onednn::Description;
using Forward = ConvQuestion::Forward;
using BackwardData = ConvQuestion::BackwardData;
using BackwardWeights = ConvQuestion::BackwardWeights;

Forward::primitive_desc hint(const ConvQuestion& q, const dnnl::engine& engine) {
  return {q.forward(), onednn::attributes(), engine};
}

// The weight as the graph has it, seen by oneDNN.
Format weight_format(const ConvQuestion& q, const Description& md) {
  return q.size.groups == 1 ? *onednn::format_of(md) : Format{};
}

// Where the primitive finds its weight: the operand itself, or a copy that a first step makes.
onednn::Place weight_input(onednn::Sequence& sequence, const ConvQuestion& q,
                           const Description& md) {
  auto plain = onednn::plain(q.weight_dims());
  if (q.size.groups == 1 || md == plain) return onednn::input(1);
  auto copy = sequence.workspace(md);
  dnnl::reorder::primitive_desc pd(sequence.engine(), plain, sequence.engine(), md,
                                   onednn::attributes());
  sequence.add(pd, {{DNNL_ARG_FROM, onednn::input(1)}, {DNNL_ARG_TO, copy}});
  return copy;
}

std::optional<Offer> forward_offer(const Signature& s) {
  return convolution_offer(
      {conv_dims(conv_size(s.attrs, s.in[0], s.in[1], s.out[0])), s.in.size() > 2});
}

std::optional<Offer> grad_weight_offer(const Signature& s) {
  return convolution_grad_weight_offer(
      {conv_dims(conv_size(s.attrs, s.in[0], s.out[0], s.in[1])), s.out.size() > 1});
}

}  // namespace

std::optional<Offer> convolution_offer(const ConvQuestion& q) {
  onednn::Sequence sequence;
  auto desc = q.forward();
  auto pd = onednn::choose(
      [&] { return Forward::primitive_desc(desc, onednn::attributes(), sequence.engine()); },
      [](auto& p) {
        return onednn::has_format(p.src_desc()) && onednn::has_format(p.weights_desc()) &&
               onednn::has_format(p.dst_desc());
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

std::optional<Offer> convolution_grad_weight_offer(const ConvQuestion& q) {
  onednn::Sequence sequence;
  auto desc = q.backward_weights();
  auto forward = hint(q, sequence.engine());
  auto pd = onednn::choose(
      [&] {
        return BackwardWeights::primitive_desc(desc, onednn::attributes(), sequence.engine(),
                                               forward);
      },
      [](auto& p) {
        return onednn::has_format(p.src_desc()) && onednn::has_format(p.diff_weights_desc()) &&
               onednn::has_format(p.diff_dst_desc());
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

std::optional<Offer> convolution_grad_input_offer(const ConvQuestion& q) {
  onednn::Sequence sequence;
  auto desc = q.backward_data();
  auto forward = hint(q, sequence.engine());
  auto pd = onednn::choose(
      [&] {
        return BackwardData::primitive_desc(desc, onednn::attributes(), sequence.engine(), forward);
      },
      [](auto& p) {
        return onednn::has_format(p.diff_src_desc()) && onednn::has_format(p.weights_desc()) &&
               onednn::has_format(p.diff_dst_desc());
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

std::optional<Offer> conv2d_grad_input_offer(const Signature& s) {
  if (auto flipped = flipped_offer(s)) return flipped;
  return convolution_grad_input_offer(
      {conv_dims(conv_size(s.attrs, s.out[0], s.in[1], s.in[0])), false});
}

void register_conv2d_kernels(Registry& registry) {
  registry.add(onednn::kernel("conv2d", forward_offer));
  registry.add(onednn::kernel("conv2d_grad_input", conv2d_grad_input_offer));
  registry.add(onednn::kernel("conv2d_grad_weight", grad_weight_offer));
}

}  // namespace braid
