// Convolutions without cuDNN.
#include "cuda/dnn.h"

#include <vector>

#include "device.h"
#include "emulator.h"

namespace braid::cuda {
namespace {

/// Calls f(index in x, index in w, index in y) for every product of a convolution.
template <class F>
void every_product(const ConvShape& s, F f) {
  const int64_t ins = s.in_channels / s.groups, outs = s.out_channels / s.groups;
  for (int64_t n = 0; n < s.samples; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t c = 0; c < ins; ++c)
        for (int64_t ky = 0; ky < s.kernel[0]; ++ky)
          for (int64_t kx = 0; kx < s.kernel[1]; ++kx)
            for (int64_t oy = 0; oy < s.out_height; ++oy)
              for (int64_t ox = 0; ox < s.out_width; ++ox) {
                const int64_t y = oy * s.stride[0] - s.padding[0] + ky * s.dilation[0];
                const int64_t x = ox * s.stride[1] - s.padding[1] + kx * s.dilation[1];
                if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) continue;
                const int64_t in = n * s.in_channels + o / outs * ins + c;
                f((in * s.in_height + y) * s.in_width + x,
                  ((o * ins + c) * s.kernel[0] + ky) * s.kernel[1] + kx,
                  ((n * s.out_channels + o) * s.out_height + oy) * s.out_width + ox);
              }
}

int64_t inputs(const ConvShape& s) { return s.samples * s.in_channels * s.in_height * s.in_width; }
int64_t outputs(const ConvShape& s) {
  return s.samples * s.out_channels * s.out_height * s.out_width;
}
int64_t weights(const ConvShape& s) {
  return s.out_channels * (s.in_channels / s.groups) * s.kernel[0] * s.kernel[1];
}

void put(const std::vector<double>& sums, float* to) {
  for (size_t i = 0; i < sums.size(); ++i) to[i] = float(sums[i]);
}

void enqueue(Queue* queue, const char* what, std::function<void()> work) {
  check(emulator::enqueue(queue->stream, what, std::move(work)), what);
}

}  // namespace

struct ConvPlan {
  ConvShape shape;
};
std::shared_ptr<const ConvPlan> plan_conv(const ConvShape& shape, ConvPass) {
  return std::make_shared<ConvPlan>(ConvPlan{shape});
}
int64_t workspace_of(const ConvPlan&) { return 0; }

void conv_forward(Queue* queue, const ConvPlan& plan, const float* x, const float* w, float* y,
                  void*) {
  enqueue(queue, "a convolution", [=, s = plan.shape] {
    std::vector<double> sums(size_t(outputs(s)));
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(o)] += double(x[i]) * double(w[k]);
    });
    put(sums, y);
  });
}

void conv_grad_input(Queue* queue, const ConvPlan& plan, const float* g, const float* w, float* dx,
                     void*) {
  enqueue(queue, "a convolution's gradient", [=, s = plan.shape] {
    std::vector<double> sums(size_t(inputs(s)));
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(i)] += double(g[o]) * double(w[k]);
    });
    put(sums, dx);
  });
}

void conv_grad_weight(Queue* queue, const ConvPlan& plan, const float* x, const float* g, float* dw,
                      void*) {
  enqueue(queue, "a convolution's gradient of weights", [=, s = plan.shape] {
    std::vector<double> sums(size_t(weights(s)));
    every_product(s, [&](int64_t i, int64_t k, int64_t o) {
      sums[size_t(k)] += double(x[i]) * double(g[o]);
    });
    put(sums, dw);
  });
}

void release_dnn(Queue*) noexcept {}
std::string dnn_version() { return "no cuDNN"; }

}  // namespace braid::cuda
