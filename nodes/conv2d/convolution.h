// The passes of a convolution on a GPU. cuDNN pads both sides of an axis alike; where that is not
// what is asked for, the padded image is made in the workspace.
#pragma once
#include "conv2d/size.h"
#include "cuda/dnn.h"

namespace braid::cuda {

class Convolution {
 public:
  /// To be made where the device is active that it will run on.
  Convolution(const ConvSize& size, ConvPass pass);

  int64_t workspace() const;
  void forward(Queue* queue, const float* x, const float* w, float* y, void* workspace) const;
  void grad_input(Queue* queue, const float* g, const float* w, float* dx, void* workspace) const;
  void grad_weight(Queue* queue, const float* x, const float* g, float* dw, void* workspace) const;

 private:
  int64_t image_bytes() const;  ///< of the padded image; 0 where none is needed

  ConvSize size_;
  bool padded_;
  std::shared_ptr<const ConvPlan> plan_;
};

}  // namespace braid::cuda
