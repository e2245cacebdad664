// Braid's share of the work, without a word of torch.
#pragma once
#include <vector>

/// Opens a network of convolution, batch norm and Linear on two devices, trains a few steps, runs
/// it, makes errors on purpose, closes it; gives back its weights and the last outputs.
std::vector<float> braid_work();
