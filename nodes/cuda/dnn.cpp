#include "cuda/dnn.h"

#include <cudnn.h>

#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <string>

#include <braid/core/error.h>

#include "cuda/direct.h"
#include "device.h"

namespace braid::cuda {
namespace {

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char more[512] = "";
  cudnnGetLastErrorString(more, sizeof more);
  throw Error(Fault::device, "E0521",
              std::string(what) + ": cuDNN says '" + cudnnGetErrorString(status) + "'" +
                  (*more ? std::string(" (") + more + ")" : ""));
}

cudnnHandle_t make_handle() {
  cudnnHandle_t handle = nullptr;
  check(cudnnCreate(&handle), "starting cuDNN");
  return handle;
}

cudnnHandle_t handle_of(Queue* queue) {
  if (!queue->dnn) {
    auto handle = make_handle();
    queue->dnn = handle;
    check(cudnnSetStream(handle, queue->stream), "giving cuDNN a stream");
  }
  return static_cast<cudnnHandle_t>(queue->dnn);
}

// Questions about workspaces need a handle, and there is no queue yet. One for each device, never
// released: at exit CUDA may be gone before it.
struct Questions {
  std::mutex mutex;
  std::map<int, cudnnHandle_t> handles;
};

template <class Question>
auto ask(Question question) {
  static auto& all = *new Questions;
  int device = 0;
  cuda::check(cudaGetDevice(&device), "asking for the device");
  std::lock_guard lock(all.mutex);
  auto& handle = all.handles[device];
  if (!handle) handle = make_handle();
  return question(handle);
}

constexpr float kOne = 1, kZero = 0;

}  // namespace

struct ConvPlan {
  ConvShape shape;
  cudnnTensorDescriptor_t x = nullptr, y = nullptr;
  cudnnFilterDescriptor_t w = nullptr;
  cudnnConvolutionDescriptor_t conv = nullptr;
  bool direct = false;  ///< cuDNN has nothing for this shape
  // Of the pass that the plan is for.
  cudnnConvolutionFwdAlgo_t forward = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM;
  cudnnConvolutionBwdDataAlgo_t grad_input = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
  cudnnConvolutionBwdFilterAlgo_t grad_weight = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;
  size_t workspace = 0;

  explicit ConvPlan(const ConvShape& s) : shape(s) {}
  ConvPlan(const ConvPlan&) = delete;
  ~ConvPlan() {
    if (x) cudnnDestroyTensorDescriptor(x);
    if (y) cudnnDestroyTensorDescriptor(y);
    if (w) cudnnDestroyFilterDescriptor(w);
    if (conv) cudnnDestroyConvolutionDescriptor(conv);
  }

  void describe() {
    const ConvShape& s = shape;
    const char* what = "describing a convolution";
    auto tensor = [&](cudnnTensorDescriptor_t& d, int64_t c, int64_t h, int64_t width) {
      check(cudnnCreateTensorDescriptor(&d), what);
      check(cudnnSetTensor4dDescriptor(d, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, int(s.samples),
                                       int(c), int(h), int(width)),
            what);
    };
    tensor(x, s.in_channels, s.in_height, s.in_width);
    tensor(y, s.out_channels, s.out_height, s.out_width);
    check(cudnnCreateFilterDescriptor(&w), what);
    check(cudnnSetFilter4dDescriptor(w, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, int(s.out_channels),
                                     int(s.in_channels / s.groups), int(s.kernel[0]),
                                     int(s.kernel[1])),
          what);
    check(cudnnCreateConvolutionDescriptor(&conv), what);
    check(cudnnSetConvolution2dDescriptor(
              conv, int(s.padding[0]), int(s.padding[1]), int(s.stride[0]), int(s.stride[1]),
              int(s.dilation[0]), int(s.dilation[1]), CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
          what);
    check(cudnnSetConvolutionGroupCount(conv, int(s.groups)), what);
    check(cudnnSetConvolutionMathType(conv, CUDNN_FMA_MATH), what);
  }

  /// Whether there is an algorithm.
  bool choose(cudnnHandle_t handle, ConvPass pass) {
    switch (pass) {
      case ConvPass::forward:
        return choose<cudnnConvolutionFwdAlgoPerf_t>(forward, [&](auto... result) {
          return cudnnGetConvolutionForwardAlgorithm_v7(handle, x, w, conv, y, result...);
        });
      case ConvPass::grad_input:
        return choose<cudnnConvolutionBwdDataAlgoPerf_t>(grad_input, [&](auto... result) {
          return cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, w, y, conv, x, result...);
        });
      case ConvPass::grad_weight:
        return choose<cudnnConvolutionBwdFilterAlgoPerf_t>(grad_weight, [&](auto... result) {
          return cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, x, y, conv, w, result...);
        });
    }
    return false;
  }

 private:
  // The first one of those that cuDNN's heuristics list, best first, which makes equal bits in
  // every run. Nothing is timed: the choice follows from the shape, cuDNN's version and the GPU's
  // model.
  template <class Result, class Algorithm, class List>
  bool choose(Algorithm& algorithm, List list) {
    constexpr size_t most_workspace = size_t(256) << 20;
    std::array<Result, 16> results{};
    int count = 0;
    const cudnnStatus_t status = list(int(results.size()), &count, results.data());
    if (status == CUDNN_STATUS_NOT_SUPPORTED || status == CUDNN_STATUS_NOT_SUPPORTED_SHAPE ||
        status == CUDNN_STATUS_NOT_SUPPORTED_LAYOUT || status == CUDNN_STATUS_NOT_SUPPORTED_PADDING)
      return false;
    check(status, "asking for a convolution's algorithms");
    for (auto& result : std::span(results).first(size_t(count))) {
      if (result.status != CUDNN_STATUS_SUCCESS || result.determinism != CUDNN_DETERMINISTIC ||
          result.mathType == CUDNN_TENSOR_OP_MATH ||
          result.mathType == CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION ||
          result.memory > most_workspace)
        continue;
      algorithm = result.algo;
      workspace = result.memory;
      return true;
    }
    return false;
  }
};

std::shared_ptr<const ConvPlan> plan_conv(const ConvShape& s, ConvPass pass) {
  auto plan = std::make_shared<ConvPlan>(s);
  const int64_t most = std::numeric_limits<int>::max();
  plan->direct = s.samples * s.in_channels * s.in_height * s.in_width > most ||
                 s.samples * s.out_channels * s.out_height * s.out_width > most;
  if (!plan->direct) {
    plan->describe();
    plan->direct = !ask([&](cudnnHandle_t handle) { return plan->choose(handle, pass); });
  }
  if (plan->direct) plan->workspace = 0;
  return plan;
}

int64_t workspace_of(const ConvPlan& plan) { return int64_t(plan.workspace); }

void conv_forward(Queue* queue, const ConvPlan& p, const float* x, const float* w, float* y,
                  void* workspace) {
  if (p.direct) return direct_forward(queue, p.shape, x, w, y);
  check(cudnnConvolutionForward(handle_of(queue), &kOne, p.x, x, p.w, w, p.conv, p.forward,
                                workspace, p.workspace, &kZero, p.y, y),
        "a convolution");
}

void conv_grad_input(Queue* queue, const ConvPlan& p, const float* g, const float* w, float* dx,
                     void* workspace) {
  if (p.direct) return direct_grad_input(queue, p.shape, g, w, dx);
  check(cudnnConvolutionBackwardData(handle_of(queue), &kOne, p.w, w, p.y, g, p.conv, p.grad_input,
                                     workspace, p.workspace, &kZero, p.x, dx),
        "a convolution's gradient");
}

void conv_grad_weight(Queue* queue, const ConvPlan& p, const float* x, const float* g, float* dw,
                      void* workspace) {
  if (p.direct) return direct_grad_weight(queue, p.shape, x, g, dw);
  check(cudnnConvolutionBackwardFilter(handle_of(queue), &kOne, p.x, x, p.y, g, p.conv,
                                       p.grad_weight, workspace, p.workspace, &kZero, p.w, dw),
        "a convolution's gradient of weights");
}

void release_dnn(Queue* queue) noexcept {
  if (queue->dnn) cudnnDestroy(static_cast<cudnnHandle_t>(queue->dnn));
  queue->dnn = nullptr;
}

std::string dnn_version() {
  const size_t v = cudnnGetVersion();  // 91900
  return "cuDNN " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

}  // namespace braid::cuda
