// The host's own work, in libtorch.
#pragma once
#include <vector>

/// Trains a convolution and a matrix for some steps; gives back both and the losses.
std::vector<float> torch_work();
int torch_threads();
