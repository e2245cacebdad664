// Signals [N, C, L] as images of one row, for layers that pool and convolve them by the operations
// of images.
#pragma once
#include <braid/core/layer.h>

namespace braid {

/// [N, C, L] as [N, C, 1, L], and back.
Shape as_image(const Shape& signal);
Shape as_signal(const Shape& image);

/// The shape of the call's input. Throws a model error for one that is no f32 signal (E0201).
Shape checked_signal(const Builder& b, const Call& call);

/// An integer, for parameters that are a list of one.
int64_t get_single(const Dict& params, const char* name);
/// Such a parameter.
ParamDef single(std::string name, std::string doc, Attr fallback, double min,
                bool optional = false);

/// Attributes of the pooling operations from the layer's parameters, once the input fits them.
Dict checked_line_attrs(Builder& b, const Call& call);
/// The same with input_size: what the gradient's operation takes.
Dict line_grad_attrs(Builder& b, const Call& call);
/// kernel_size, stride, padding, ceil_mode.
std::vector<ParamDef> line_params();

}  // namespace braid
