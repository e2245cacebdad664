#include "onednn/guard.h"

#include <omp.h>
#include <xmmintrin.h>

namespace braid::onednn {

static constexpr unsigned default_control = 0x1f80;  // round to nearest, denormals kept, no traps

Guard::Guard() : threads_(omp_get_max_threads()), control_(_mm_getcsr()) {
  if (threads_ != 1) omp_set_num_threads(1);
  if (control_ != default_control) _mm_setcsr(default_control);
}

Guard::~Guard() {
  if (threads_ != 1) omp_set_num_threads(threads_);
  if (control_ != default_control) _mm_setcsr(control_);
}

}  // namespace braid::onednn
