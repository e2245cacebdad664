#pragma once
#include <braid/runtime/backend.h>

namespace braid::cuda {

std::unique_ptr<Backend> make_backend();

}  // namespace braid::cuda
