#include "dnn_batch_norm.h"

// cuDNN 9 calls these functions deprecated, and PyTorch 2.11 calls them.
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

namespace bench {
namespace {

constexpr double kEps = 1e-5;
constexpr auto kOps = CUDNN_BATCHNORM_OPS_BN;
enum { scale, bias, running_mean, running_variance, mean, inverse, dscale, dbias, count };

}  // namespace

DnnBatchNorm::DnnBatchNorm(cudaStream_t stream, const std::vector<int64_t>& dims, bool bf16,
                           bool rows, cudnnBatchNormMode_t mode)
    : mode_(mode), channels_(dims[1]) {
  must(cudnnCreate(&handle_), "cudnnCreate");
  must(cudnnSetStream(handle_, stream), "cudnnSetStream");
  must(cudnnCreateTensorDescriptor(&x_), "a descriptor");
  must(cudnnCreateTensorDescriptor(&channel_), "a descriptor");
  int64_t height = dims.size() > 2 ? dims[2] : 1, width = dims.size() > 3 ? dims[3] : 1;
  good(cudnnSetTensor4dDescriptor(x_, rows ? CUDNN_TENSOR_NHWC : CUDNN_TENSOR_NCHW,
                                  bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT, int(dims[0]),
                                  int(dims[1]), int(height), int(width)));
  good(cudnnDeriveBNTensorDescriptor(channel_, x_, mode));
  good(cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(
      handle_, mode, kOps, x_, nullptr, x_, channel_, nullptr, &forward_bytes_));
  good(cudnnGetBatchNormalizationBackwardExWorkspaceSize(
      handle_, mode, kOps, x_, nullptr, x_, nullptr, x_, channel_, nullptr, &backward_bytes_));
  good(cudnnGetBatchNormalizationTrainingExReserveSpaceSize(handle_, mode, kOps, nullptr, x_,
                                                            &reserve_bytes_));
  if (!usable_) return;
  rows_ = std::make_unique<Memory>(count * channels_ * 4);
  workspace_ = std::make_unique<Memory>(int64_t(std::max(forward_bytes_, backward_bytes_)));
  reserve_ = std::make_unique<Memory>(int64_t(reserve_bytes_));
  std::vector<float> ones(size_t(channels_), 1.0f);
  check(cudaMemcpy(row(scale), ones.data(), ones.size() * 4, cudaMemcpyHostToDevice), "a copy");
}

DnnBatchNorm::~DnnBatchNorm() {
  if (x_) cudnnDestroyTensorDescriptor(x_);
  if (channel_) cudnnDestroyTensorDescriptor(channel_);
  if (handle_) cudnnDestroy(handle_);
}

void DnnBatchNorm::must(cudnnStatus_t status, const char* what) const {
  if (status != CUDNN_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cuDNN: ") + what + ": " + cudnnGetErrorString(status));
}

void DnnBatchNorm::forward(const void* x, void* y) {
  const float one = 1, zero = 0;
  must(cudnnBatchNormalizationForwardTrainingEx(
           handle_, mode_, kOps, &one, &zero, x_, x, nullptr, nullptr, x_, y, channel_, row(scale),
           row(bias), 0.1, row(running_mean), row(running_variance), kEps, row(mean), row(inverse),
           nullptr, workspace_->as(), forward_bytes_, reserve_->as(), reserve_bytes_),
       "forward");
}

void DnnBatchNorm::backward(const void* g, const void* x, void* dx) {
  const float one = 1, zero = 0;
  must(cudnnBatchNormalizationBackwardEx(handle_, mode_, kOps, &one, &zero, &one, &zero, x_, x,
                                         nullptr, nullptr, x_, g, nullptr, nullptr, x_, dx,
                                         channel_, row(scale), row(bias), row(dscale), row(dbias),
                                         kEps, row(mean), row(inverse), nullptr, workspace_->as(),
                                         backward_bytes_, reserve_->as(), reserve_bytes_),
       "backward");
}

}  // namespace bench
