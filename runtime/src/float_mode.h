// The floating-point mode that bits follow from, in a thread that may be the host's: rounding to
// nearest, no flushing to zero. Put back afterwards.
#pragma once
#include <cfenv>

namespace braid {

class DefaultFloatMode {
 public:
  DefaultFloatMode() {
    std::fegetenv(&before_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFloatMode() { std::fesetenv(&before_); }
  DefaultFloatMode(const DefaultFloatMode&) = delete;
  DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

 private:
  std::fenv_t before_;
};

}  // namespace braid
