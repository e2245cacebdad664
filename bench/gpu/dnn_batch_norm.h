// cuDNN's batch norm, the yardstick beside a plain copy.
#pragma once
#include <cudnn.h>

#include <memory>
#include <vector>

#include "gpu.h"

namespace bench {

/// One shape in one of cuDNN's modes. `usable` is false where it refuses the combination.
class DnnBatchNorm {
 public:
  DnnBatchNorm(cudaStream_t stream, const std::vector<int64_t>& dims, bool bf16, bool rows,
               cudnnBatchNormMode_t mode);
  DnnBatchNorm(const DnnBatchNorm&) = delete;
  ~DnnBatchNorm();

  bool usable() const { return usable_; }
  void forward(const void* x, void* y);
  void backward(const void* g, const void* x, void* dx);

 private:
  bool good(cudnnStatus_t status) { return usable_ = usable_ && status == CUDNN_STATUS_SUCCESS; }
  void must(cudnnStatus_t status, const char* what) const;
  float* row(int i) const { return rows_->as<float>() + i * channels_; }

  cudnnBatchNormMode_t mode_;
  bool usable_ = true;
  int64_t channels_;
  cudnnHandle_t handle_ = nullptr;
  cudnnTensorDescriptor_t x_ = nullptr, channel_ = nullptr;
  std::unique_ptr<Memory> rows_, workspace_, reserve_;
  size_t forward_bytes_ = 0, backward_bytes_ = 0, reserve_bytes_ = 0;
};

}  // namespace bench
