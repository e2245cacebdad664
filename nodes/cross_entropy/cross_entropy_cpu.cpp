// f32 on the CPU: a tile of points at a time is taken out of memory, in whatever format it is;
// losses are summed in f64, in the order of the targets.
#include <cmath>
#include <cstring>

#include "cross_entropy/cross_entropy.h"
#include "cross_entropy/shares.h"
#include "cross_entropy/tile.h"
#include "ops/channels.h"
#include "ops/labels.h"
#include "ops/view.h"

namespace braid {
namespace {

/// Points that stand evenly in memory: of one sample, or samples where each has a single point.
struct Patch {
  const View& v;
  int64_t sample, point, count;

  int64_t step() const { return v.rows() ? v.channels : v.group; }
  int64_t at(int64_t c) const { return v.at(sample, c, point); }
  int64_t first() const { return at(0); }  // class_offsets say where the others are
  int64_t target() const { return sample * v.points + point; }
  int64_t sample_of(int64_t i) const { return v.rows() ? sample + i : sample; }
};

template <class F>
void for_each_patch(const View& v, int64_t most, F f) {
  if (v.rows()) {
    for (int64_t n = 0; n < v.samples; n += most) f(Patch{v, n, 0, std::min(most, v.samples - n)});
    return;
  }
  for (int64_t n = 0; n < v.samples; ++n)
    for (int64_t p = 0; p < v.points; p += most) f(Patch{v, n, p, std::min(most, v.points - p)});
}

void take(const Patch& patch, const float* x, const Tile& tile) {
  const int64_t step = patch.step(), n = patch.count;
  for (int64_t c = 0; c < tile.classes; ++c) {
    const float* from = x + patch.at(c);
    float* to = tile.e + c * tile.width;
    if (step == 1)
      std::memcpy(to, from, size_t(n) * sizeof(float));
    else
      for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
    std::fill(to + n, to + tile.width, 0.0f);
  }
}

void give(const Patch& patch, const Tile& tile, float* p) {
  const int64_t step = patch.step(), n = patch.count;
  for (int64_t c = 0; c < tile.classes; ++c) {
    const float* from = tile.e + c * tile.width;
    float* to = p + patch.at(c);
    if (step == 1)
      std::memcpy(to, from, size_t(n) * sizeof(float));
    else
      for (int64_t i = 0; i < n; ++i) to[i * step] = from[i];
  }
  for (int64_t c = tile.classes; c < patch.v.padded(); ++c)
    for (int64_t i = 0; i < n; ++i) p[patch.at(c) + i * step] = 0;
}

/// The sum of losses. Where all logarithms count alike, 16 of them are taken as one of a product:
/// z lies between 1 and the number of classes, so that nothing overflows.
class LossSum {
 public:
  explicit LossSum(const Shares& shares) : shares_(shares) {}

  void add(const Tile& tile, int64_t i, int64_t label, float logit) {
    const double whole = shares_.whole(label);
    const double mixed = tile.shares ? tile.mixed[i] : 0;
    sum_ += whole * double(tile.most[i]) - shares_.own(label) * double(logit) - mixed;
    if (shares_.weighted()) {
      sum_ += whole * std::log(tile.z[i]);
    } else {
      product_ *= tile.z[i];
      if (++factors_ % 16 == 0) fold();
    }
  }
  double result() {
    fold();
    return sum_;
  }

 private:
  void fold() {
    sum_ += std::log(product_);
    product_ = 1;
  }

  const Shares& shares_;
  double sum_ = 0, product_ = 1;
  int64_t factors_ = 0;
};

KernelBody make_xent(const Signature& s) {
  const View view = view_of(s.in[0]);
  const int64_t ignored = get_int(s.attrs, "ignore_index", -100);
  return [=, shares = Shares(s.attrs, view.channels),
          offsets = class_offsets(view)](const KernelArgs& a) {
    const float* x = a.in<float>(0);
    Tile tile;
    tile.classes = view.channels;
    tile.width = tile_width(view.channels);
    tile.e = static_cast<float*>(a.workspace);
    tile.shares = shares.smooth() ? shares.each().data() : nullptr;
    LossSum loss(shares);
    for_each_patch(view, tile.width, [&](const Patch& patch) {
      take(patch, x, tile);
      softmax_columns(tile, patch.count);
      give(patch, tile, a.out<float>(0));
      const int64_t* labels = a.in<int64_t>(1) + patch.target();
      const float* logits = x + patch.first();
      for (int64_t i = 0; i < patch.count; ++i) {
        const int64_t label = labels[i];
        if (label == ignored) continue;
        if (label < 0 || label >= view.channels)
          label_outside(label, view.channels, a.first_sample + patch.sample_of(i));
        loss.add(tile, i, label, logits[offsets[size_t(label)] + i * patch.step()]);
      }
    });
    a.out<double>(1)[0] = loss.result();
  };
}

int64_t tile_bytes(const Signature& s) {
  const int64_t classes = s.in[0].dim(1);
  return classes * tile_width(classes) * int64_t(sizeof(float));
}

}  // namespace

void register_cross_entropy_kernels(Registry& registry) {
  registry.add(ChannelKernel{.op = "xent", .make = make_xent, .workspace = tile_bytes});
}

}  // namespace braid
