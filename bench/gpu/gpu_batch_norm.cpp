// Batch norm on a GPU, side by side in one run: Braid's four kernels and what they add up to,
// cuDNN's (spatial and spatial persistent), and a copy from device to device as the yardstick.
//
//   gpu_batch_norm [--samples 15] [--seconds 60] [--only TEXT] [--json FILE] [--shape N,C,H,W]
//
// Prints a Markdown table of medians in microseconds. In brackets: the bandwidth by the bytes that
// must be read and written, in percent of what the copy of one such tensor reached (the sum of the
// two passes counts their own reads). All work on buffers that rotate through at least 256 MB, and
// samples are interleaved. The results of Braid and cuDNN are compared, too: exit code 1 where they
// differ. With --json a line for each shape, for batch_norm_torch.py. Shapes for which the seconds
// do not suffice are named.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>

#include <braid/core/random.h>
#include <braid/nodes/builtin.h>

#include "backend.h"
#include "cuda/queue.h"
#include "dnn_batch_norm.h"
#include "gpu.h"

namespace {

using namespace braid;
using bench::Contender;
using bench::Memory;

struct Shape {
  std::vector<int64_t> dims;
  bool bf16 = false, rows = false;

  int64_t elements() const { return storage_elements(dims, {}); }
  int64_t bytes() const { return elements() * (bf16 ? 2 : 4); }
  std::string size() const {
    std::string text;
    for (auto n : dims) text += (text.empty() ? "" : ",") + std::to_string(n);
    return text;
  }
  std::string name() const {
    return size() + (bf16 ? " bf16" : " f32") + (dims.size() == 2 ? "" : rows ? " NHWC" : " NCHW");
  }
  Operand operand() const {
    return {bf16 ? DType::bf16 : DType::f32, dims, rows && dims.size() == 4 ? "acdb" : ""};
  }
};

float from_bf16(uint16_t bits) {
  const uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

/// Normal numbers that repeat every 1,000,003 elements, as they lie in memory.
void fill(const Shape& s, const Memory& to, uint64_t key) {
  constexpr size_t period = 1'000'003;
  static std::map<uint64_t, std::vector<float>> made;
  auto& numbers = made[key];
  for (size_t i = numbers.size(); i < period; ++i) numbers.push_back(float(normal(key, i)));
  std::vector<uint16_t> halves(s.bf16 ? period : 0);
  for (size_t i = 0; i < halves.size(); ++i) {
    uint32_t bits;
    std::memcpy(&bits, &numbers[i], 4);
    halves[i] = uint16_t(bits >> 16);  // truncated
  }
  int64_t done = std::min(s.bytes(), int64_t(period) * (s.bf16 ? 2 : 4));
  const void* first = s.bf16 ? static_cast<const void*>(halves.data()) : numbers.data();
  bench::check(cudaMemcpy(to.as(), first, size_t(done), cudaMemcpyHostToDevice), "a copy");
  for (int64_t more; done < s.bytes(); done += more) {
    more = std::min(done, s.bytes() - done);
    bench::check(cudaMemcpy(to.as<char>() + done, to.as(), size_t(more), cudaMemcpyDeviceToDevice),
                 "a copy");
  }
}

/// The largest difference, relative to the largest number, of a part of two tensors.
double difference(const Shape& s, const Memory& a, const Memory& b) {
  const size_t count = size_t(std::min<int64_t>(s.elements(), 1 << 20)), each = s.bf16 ? 2 : 4;
  std::vector<std::byte> x(count * each), y(count * each);
  const auto from = size_t(s.bytes()) - x.size();  // the end
  bench::check(cudaMemcpy(x.data(), a.as<char>() + from, x.size(), cudaMemcpyDeviceToHost), "copy");
  bench::check(cudaMemcpy(y.data(), b.as<char>() + from, y.size(), cudaMemcpyDeviceToHost), "copy");
  auto value = [&](const std::vector<std::byte>& from, size_t i) {
    uint16_t half;
    float full;
    std::memcpy(&half, &from[i * each], 2);
    if (!s.bf16) std::memcpy(&full, &from[i * each], 4);
    return double(s.bf16 ? from_bf16(half) : full);
  };
  double most = 0, scale = 1e-30;
  for (size_t i = 0; i < count; ++i) {
    const double error = std::abs(value(x, i) - value(y, i));
    most = error <= most ? most : error;  // NaN stays
    scale = std::max(scale, std::abs(value(y, i)));
  }
  return most / scale;
}

/// An operation for a single slice, ready to be enqueued.
class Bound {
 public:
  Bound(const Registry& registry, const DeviceTraits& traits, Queue* queue, const std::string& op,
        std::vector<Operand> in, Operand out)
      : queue_(queue), signature_{op, {{"eps", 1e-5}, {"relu", false}}, std::move(in), {out}} {
    auto offer = registry.offer(signature_, traits);
    if (!offer || !offer->launch) throw std::runtime_error("no kernel offers " + op);
    launch_ = offer->launch(std::span(&signature_, 1));
    workspace_ = std::make_unique<Memory>(launch_.workspace);
    words_ = std::make_unique<Memory>(256);
  }

  void operator()(std::vector<void*> inputs, void* output) const {
    const KernelArgs part{.inputs = inputs.data(), .outputs = &output};
    launch_.enqueue({.queue = queue_,
                     .parts = std::span(&part, 1),
                     .workspace = workspace_->as(),
                     .status = words_->as<int64_t>()});
  }

 private:
  Queue* queue_;
  Signature signature_;
  Launch launch_;
  std::unique_ptr<Memory> workspace_, words_;
};

struct Buffers {
  Memory x, g, y, dx;
  explicit Buffers(const Shape& s) : x(s.bytes()), g(s.bytes()), y(s.bytes()), dx(s.bytes()) {
    fill(s, x, 1);
    fill(s, g, 2);
  }
};

class Bench {
 public:
  Bench() : backend_(cuda::make_backend()) {
    register_builtin(registry_);
    backend_->register_kernels(registry_);
    auto info = backend_->devices().at(0);
    traits_ = {.kind = "cuda", .isa = info.isa};
    std::printf("%s, %s\n\n", info.model.c_str(), backend_->versions().c_str());
    device_ = backend_->open("cuda:0");
    device_->activate();
    queue_ = device_->queue(0);
  }

  /// Whether Braid and cuDNN agree. `json` may be closed.
  bool run(const Shape& s, int samples, std::ofstream& json) {
    constexpr int64_t rotation = 256'000'000;
    const int sets = int(std::clamp<int64_t>(rotation / (2 * s.bytes()) + 1, 2, 64));
    std::vector<std::unique_ptr<Buffers>> buffers;
    for (int i = 0; i < sets; ++i) buffers.push_back(std::make_unique<Buffers>(s));
    const int64_t channels = s.dims[1];
    Memory moments(3 * channels * 8), sums(2 * channels * 8), weight(channels * 4),
        bias(channels * 4);
    std::vector<float> ones(size_t(channels), 1.0f);
    bench::check(cudaMemcpy(weight.as(), ones.data(), ones.size() * 4, cudaMemcpyHostToDevice),
                 "a copy");

    const Operand x = s.operand(), c{DType::f32, {channels}}, m{DType::f64, {3, channels}},
                  d{DType::f64, {2, channels}};
    auto bound = [&](const char* op, std::vector<Operand> in, Operand out) {
      return Bound(registry_, traits_, queue_, op, std::move(in), std::move(out));
    };
    const Bound take = bound("moments", {x}, m), apply = bound("normalize", {x, m, c, c}, x),
                reduce = bound("bn_reduce", {x, x, m, c, c}, d),
                back = bound("bn_dx", {x, x, m, d, c, c}, x);
    auto run_moments = [&](int i) { take({buffers[size_t(i)]->x.as()}, moments.as()); };
    auto run_normalize = [&](int i) {
      auto& b = *buffers[size_t(i)];
      apply({b.x.as(), moments.as(), weight.as(), bias.as()}, b.y.as());
    };
    auto run_reduce = [&](int i) {
      auto& b = *buffers[size_t(i)];
      reduce({b.g.as(), b.x.as(), moments.as(), weight.as(), bias.as()}, sums.as());
    };
    auto run_dx = [&](int i) {
      auto& b = *buffers[size_t(i)];
      back({b.g.as(), b.x.as(), moments.as(), sums.as(), weight.as(), bias.as()}, b.dx.as());
    };
    cudaStream_t stream = queue_->stream;
    std::vector<std::unique_ptr<Contender>> all;
    auto add = [&](const char* name, const std::function<void(int)>& work) {
      all.push_back(std::make_unique<Contender>(name, stream, sets, work));
    };
    add("copy", [&](int i) {
      auto& b = *buffers[size_t(i)];
      bench::check(
          cudaMemcpyAsync(b.y.as(), b.x.as(), size_t(s.bytes()), cudaMemcpyDeviceToDevice, stream),
          "a copy");
    });
    add("moments", run_moments);
    add("normalize", run_normalize);
    add("reduce", run_reduce);
    add("dx", run_dx);
    add("forward", [&](int i) { run_moments(i), run_normalize(i); });
    add("backward", [&](int i) { run_reduce(i), run_dx(i); });

    Memory dnn_y(s.bytes()), dnn_dx(s.bytes());
    std::vector<std::unique_ptr<bench::DnnBatchNorm>> dnns;
    for (bool persistent : {false, true}) {
      auto dnn = std::make_unique<bench::DnnBatchNorm>(
          stream, s.dims, s.bf16, s.rows,
          persistent ? CUDNN_BATCHNORM_SPATIAL_PERSISTENT : CUDNN_BATCHNORM_SPATIAL);
      if (!dnn->usable()) continue;
      try {
        add(persistent ? "cudnn_persistent_forward" : "cudnn_forward", [&](int i) {
          auto& b = *buffers[size_t(i)];
          dnn->forward(b.x.as(), i == sets - 1 ? dnn_y.as() : b.y.as());
        });
        add(persistent ? "cudnn_persistent_backward" : "cudnn_backward", [&](int i) {
          auto& b = *buffers[size_t(i)];
          dnn->backward(b.g.as(), b.x.as(), i == sets - 1 ? dnn_dx.as() : b.dx.as());
        });
      } catch (const std::exception& e) {
        recover(stream);
        std::fprintf(stderr, "%s: %s\n", s.name().c_str(), e.what());
      }
      dnns.push_back(std::move(dnn));
    }
    for (int i = -2; i < samples; ++i)
      for (auto& contender : all) contender->sample(i >= 0);

    micros_.clear();
    for (auto& contender : all) micros_[contender->name()] = contender->micros();
    print(s);
    if (json.is_open()) write(s, json);
    if (!micros_.contains("cudnn_forward") || !micros_.contains("cudnn_backward")) return true;
    return agrees(s, *buffers.back(), dnn_y, dnn_dx, run_moments, run_normalize, run_reduce, run_dx,
                  sets - 1);
  }

  static void head() {
    std::printf(
        "| shape | copy, GB/s | moments | normalize | reduce | dx | forward | cuDNN forward | "
        "backward | cuDNN backward |\n|---|---|---|---|---|---|---|---|---|---|\n");
  }

 private:
  /// A call that failed within a recording leaves the stream recording.
  static void recover(cudaStream_t stream) {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaGraph_t graph = nullptr;
    if (cudaStreamIsCapturing(stream, &status) == cudaSuccess &&
        status != cudaStreamCaptureStatusNone &&
        cudaStreamEndCapture(stream, &graph) == cudaSuccess)
      cudaGraphDestroy(graph);
    cudaGetLastError();
  }

  template <class... Runs>
  static bool agrees(const Shape& s, const Buffers& b, const Memory& y, const Memory& dx,
                     const Runs&... args) {
    auto runs = std::tie(args...);
    const int last = std::get<4>(runs);
    std::get<0>(runs)(last), std::get<1>(runs)(last), std::get<2>(runs)(last),
        std::get<3>(runs)(last);
    bench::check(cudaDeviceSynchronize(), "the comparison");
    const double limit = s.bf16 ? 2e-2 : 1e-4, forward = difference(s, b.y, y),
                 backward = difference(s, b.dx, dx);
    if (forward <= limit && backward <= limit) return true;
    std::printf("DIFFERENT: %s: y by %.2g, dx by %.2g of the largest\n", s.name().c_str(), forward,
                backward);
    return false;
  }

  void cell(const Shape& s, const std::string& name, int tensors, const std::string& other = {}) {
    auto time = [&](const std::string& key) {
      auto found = micros_.find(key);
      return found == micros_.end() ? INFINITY : found->second;
    };
    const double took = std::min(time(name), other.empty() ? INFINITY : time(other));
    if (took == INFINITY) {
      std::printf(" – |");
      return;
    }
    const double copied = 2 * double(s.bytes()) / micros_.at("copy");
    std::printf(" %.1f (%.0f) |", took, 100 * tensors * double(s.bytes()) / took / copied);
  }

  void print(const Shape& s) {
    std::printf("| %s | %.1f, %.0f |", s.name().c_str(), micros_.at("copy"),
                2e-3 * double(s.bytes()) / micros_.at("copy"));
    cell(s, "moments", 1);
    cell(s, "normalize", 2);
    cell(s, "reduce", 2);
    cell(s, "dx", 3);
    cell(s, "forward", 3);
    cell(s, "cudnn_forward", 3, "cudnn_persistent_forward");
    cell(s, "backward", 5);
    cell(s, "cudnn_backward", 5, "cudnn_persistent_backward");
    std::printf("\n");
    std::fflush(stdout);
  }

  void write(const Shape& s, std::ofstream& json) const {
    json << "{\"dims\": [" << s.size() << "], \"dtype\": \"" << (s.bf16 ? "bf16" : "f32")
         << "\", \"rows\": " << (s.rows ? "true" : "false") << ", \"micros\": {";
    for (const char* comma = ""; auto& [name, micros] : micros_)
      json << std::exchange(comma, ", ") << '"' << name << "\": " << micros;
    json << "}}" << std::endl;
  }

  Registry registry_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<Device> device_;
  DeviceTraits traits_;
  Queue* queue_ = nullptr;
  std::map<std::string, double> micros_ = {};
};

/// ResNet-50 with 256 images (its first norm fills 822 MB), two generators, one norm of rows.
std::vector<Shape> shapes(const std::vector<int64_t>& given) {
  std::vector<Shape> all;
  std::vector<std::vector<int64_t>> sizes = {
      {256, 64, 56, 56},  {64, 64, 128, 128}, {256, 64, 112, 112}, {256, 256, 56, 56},
      {256, 512, 28, 28}, {256, 256, 14, 14}, {256, 2048, 7, 7},   {64, 512, 16, 16},
      {16, 64, 256, 256}, {256, 128, 28, 28}, {256, 1024, 14, 14}, {256, 512, 7, 7},
      {64, 256, 32, 32},  {64, 1024, 8, 8}};
  if (!given.empty()) sizes = {given};
  for (auto& dims : sizes)
    for (bool bf16 : {false, true})
      for (bool rows : {false, true}) all.push_back({dims, bf16, rows});
  for (bool bf16 : {false, true})
    if (given.empty()) all.push_back({{16384, 1024}, bf16, true});
  return all;
}

}  // namespace

int main(int argc, char** argv) try {
  int samples = 15;
  double seconds = 60;
  std::string only, file, part;
  std::vector<int64_t> given;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw std::invalid_argument(flag + " is unknown or needs a value");
    const std::string value = argv[++i];
    if (flag == "--samples")
      samples = std::max(1, std::stoi(value));
    else if (flag == "--seconds")
      seconds = std::stod(value);
    else if (flag == "--only")
      only = value;
    else if (flag == "--json")
      file = value;
    else if (flag == "--shape")
      for (std::istringstream in(value); std::getline(in, part, ',');)
        given.push_back(std::stoll(part));
    else
      throw std::invalid_argument("unknown argument " + flag + ", see the source");
  }
  Bench bench;
  Bench::head();
  std::ofstream json;
  if (!file.empty()) json.open(file);
  const auto start = std::chrono::steady_clock::now();
  bool agree = true;
  std::string left_out;
  for (auto& shape : shapes(given)) {
    if (shape.name().find(only) == std::string::npos) continue;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (took.count() < seconds)
      agree = bench.run(shape, samples, json) && agree;
    else
      left_out += (left_out.empty() ? "" : "; ") + shape.name();
  }
  if (!left_out.empty()) std::printf("\nNot measured for want of time: %s\n", left_out.c_str());
  return agree ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "gpu_batch_norm: %s\n", e.what());
  return 1;
}
