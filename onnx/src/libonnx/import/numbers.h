#pragma once
#include <string>

namespace braid::onnx_import {

/// The shortest decimal number that is the same float: 1e-5 for 9.99999974e-06.
double decimal(double number);
/// In an expression of the layer Math.
std::string in_expression(double number);

}  // namespace braid::onnx_import
