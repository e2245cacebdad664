// Convolutions written out, with f64 sums: for shapes that cuDNN has no deterministic algorithm
// for.
#pragma once
#include "cuda/dnn.h"

namespace braid::cuda {

void direct_forward(Queue* queue, const ConvShape& shape, const float* x, const float* w, float* y);
void direct_grad_input(Queue* queue, const ConvShape& shape, const float* g, const float* w,
                       float* dx);
void direct_grad_weight(Queue* queue, const ConvShape& shape, const float* x, const float* g,
                        float* dw);

}  // namespace braid::cuda
