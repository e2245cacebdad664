// Guard: the state of the thread in which every oneDNN call happens.
//
//   Guard guard;
//   dnnl::matmul primitive(description);
//
// oneDNN reads OpenMP's thread count when a primitive is created (jit kernels freeze it) and again
// when it is executed (gemm kernels), and bits follow from it. The thread may be the host's, whose
// count and floating-point mode are its own affair: both are put back.
#pragma once

namespace braid::onednn {

class Guard {
 public:
  Guard();
  ~Guard();
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  int threads_;
  unsigned control_;
};

}  // namespace braid::onednn
