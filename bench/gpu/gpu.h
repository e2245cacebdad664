// What the benchmarks that drive kernels themselves share: memory, and time by the GPU's clock.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

inline void check(cudaError_t result, const char* what) {
  if (result != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(result));
}

class Memory {
 public:
  explicit Memory(int64_t bytes) : bytes_(bytes) {
    check(cudaMalloc(&data_, size_t(std::max<int64_t>(bytes, 256))), "cudaMalloc");
    check(cudaMemset(data_, 0, size_t(bytes)), "cudaMemset");
  }
  Memory(const Memory&) = delete;
  ~Memory() { cudaFree(data_); }

  template <class T = void>
  T* as() const {
    return static_cast<T*>(data_);
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_;
  void* data_ = nullptr;
};

inline double median(std::vector<double> values) {
  auto middle = values.begin() + std::ptrdiff_t(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Work for each of several sets of buffers, recorded one behind the other and replayed: no launch
/// is waited for, and with enough sets nothing is found in the caches.
class Contender {
 public:
  Contender(std::string name, cudaStream_t stream, int sets, const std::function<void(int)>& work)
      : name_(std::move(name)), stream_(stream), sets_(sets) {
    work(0);  // libraries choose and load what they need
    check(cudaStreamSynchronize(stream), "the first run");
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "recording");
    for (int set = 0; set < sets; ++set) work(set);
    cudaGraph_t graph = nullptr;
    check(cudaStreamEndCapture(stream, &graph), "the end of a recording");
    check(cudaGraphInstantiate(&graph_, graph, 0), "making a graph");
    check(cudaGraphDestroy(graph), "releasing a graph");
    for (auto* event : {&begin_, &end_}) check(cudaEventCreate(event), "cudaEventCreate");
  }
  Contender(const Contender&) = delete;
  ~Contender() {
    cudaGraphExecDestroy(graph_);
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }

  void sample(bool counts) {
    check(cudaEventRecord(begin_, stream_), "an event");
    check(cudaGraphLaunch(graph_, stream_), "a graph");
    check(cudaEventRecord(end_, stream_), "an event");
    check(cudaEventSynchronize(end_), name_.c_str());
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin_, end_), "elapsed time");
    if (counts) micros_.push_back(1e3 * double(milliseconds) / sets_);
  }

  const std::string& name() const { return name_; }
  double micros() const { return median(micros_); }

 private:
  std::string name_;
  cudaStream_t stream_;
  int sets_;
  cudaGraphExec_t graph_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  std::vector<double> micros_ = {};
};

}  // namespace bench
