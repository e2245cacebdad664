#include "conv2d/flipped.h"

#include <algorithm>

#include <braid/nodes/isa.h>

#include "conv2d/question.h"
#include "onednn/kernel.h"

namespace braid {
namespace {

using Forward = ConvQuestion::Forward;

// The convolution that takes the result's gradient to the input's.
ConvSize turned(ConvSize s) {
  for (size_t d = 0; d < 2; ++d) {
    int64_t reach = s.dilation[d] * (s.kernel[d] - 1);
    s.begin[d] = reach - s.begin[d];
    s.end[d] = reach - s.end[d];
  }
  std::swap(s.in_channels, s.out_channels);
  std::swap(s.input, s.result);
  return s;
}

// By measurement: one block of channels, and an image that is worth the turning of the weight. How
// many images there are must not matter.
bool pays(const ConvSize& s) {
  bool fits = current_isa() == "avx512" && s.groups == 1 && s.in_channels <= 16;
  for (size_t d = 0; d < 2; ++d) {
    int64_t reach = s.dilation[d] * (s.kernel[d] - 1);
    fits &= s.stride[d] == 1 && s.kernel[d] > 1 && s.begin[d] <= reach && s.end[d] <= reach;
  }
  return fits && s.input[0] * s.input[1] >= 144;
}

// [out, in, h, w] -> [in, out, h, w], rows and columns from the last to the first.
void flip(const ConvSize& s, const float* w, float* to) {
  const int64_t cells = s.kernel[0] * s.kernel[1];
  for (int64_t o = 0; o < s.out_channels; ++o)
    for (int64_t c = 0; c < s.in_channels; ++c, w += cells)
      std::reverse_copy(w, w + cells, to + (c * s.out_channels + o) * cells);
}

}  // namespace

std::optional<Offer> flipped_offer(const Signature& s) {
  const auto size = conv_size(s.attrs, s.out[0], s.in[1], s.in[0]);
  if (!pays(size)) return {};
  ConvQuestion q(conv_dims(turned(size)), false);
  onednn::Sequence sequence;
  auto desc = q.forward();
  auto pd = onednn::choose(
      [&] { return Forward::primitive_desc(desc, onednn::attributes(), sequence.engine()); },
      [](auto& p) {
        return onednn::reluctance(p) == 0 && onednn::has_format(p.src_desc()) &&
               onednn::has_format(p.dst_desc());
      });
  if (!pd) return {};
  const auto plain = onednn::plain(q.weight_dims()), wanted = pd->weights_desc();
  const auto flipped = sequence.workspace(plain), weight = sequence.workspace(wanted);
  sequence.add(dnnl::reorder::primitive_desc(sequence.engine(), plain, sequence.engine(), wanted,
                                             onednn::attributes()),
               {{DNNL_ARG_FROM, flipped}, {DNNL_ARG_TO, weight}});
  sequence.add(*pd, {{DNNL_ARG_SRC, onednn::input(0)},
                     {DNNL_ARG_WEIGHTS, weight},
                     {DNNL_ARG_DST, onednn::output(0)}});
  auto offer = sequence.offer({*onednn::format_of(pd->src_desc()), {}},
                              {*onednn::format_of(pd->dst_desc())});
  offer.impl += ":flipped";
  offer.bind = [bind = offer.bind, size, at = flipped.at] {
    return [convolve = bind(), size, at](const KernelArgs& args) {
      flip(size, args.in<float>(1),
           reinterpret_cast<float*>(static_cast<char*>(args.workspace) + at));
      convolve(args);
    };
  };
  return offer;
}

}  // namespace braid
