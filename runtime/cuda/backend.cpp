#include "backend.h"

#include <charconv>

#include "device.h"
#include "kernels.h"

namespace braid::cuda {
namespace {

int count_devices() {
  int count = 0;
  auto result = cudaGetDeviceCount(&count);
  if (result == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  int driver = 0;
  cudaDriverGetVersion(&driver);
  std::string why = result == cudaSuccess ? "it finds no GPU" : cudaGetErrorString(result);
  throw Error(Fault::device, "E0508",
              "CUDA cannot be used here: " + why +
                  (driver ? "; the driver knows CUDA " + std::to_string(driver / 1000) + "." +
                                std::to_string(driver % 1000 / 10)
                          : "; no driver is loaded (libcuda.so.1)"))
      .help(
          "`braid devices` lists what there is; --devices cpu runs the same network here, and "
          "`braid plan --isa sm_90` plans for a GPU that is not here");
}

class CudaBackend : public Backend {
 public:
  std::string kind() const override { return "cuda"; }

  std::string versions() const override {
    int runtime = 0;
    cudaRuntimeGetVersion(&runtime);
    return "CUDA " + std::to_string(runtime / 1000) + "." + std::to_string(runtime % 1000 / 10) +
           ", " + dnn_version() + ", " + gemm_version() + ", " + nccl_version();
  }

  std::vector<DeviceInfo> devices() const override {
    std::vector<DeviceInfo> all;
    for (int i = 0, count = count_devices(); i < count; ++i) {
      cudaDeviceProp p{};
      check(cudaGetDeviceProperties(&p, i), "asking for a device");
      all.push_back({.name = "cuda:" + std::to_string(i),
                     .model = p.name,
                     .isa = "sm_" + std::to_string(p.major * 10 + p.minor),
                     .memory = int64_t(p.totalGlobalMem)});
    }
    return all;
  }

  void register_kernels(Registry& registry) const override { register_cuda_kernels(registry); }

  std::shared_ptr<Device> open(const std::string& name) override {
    int ordinal = 0, count = count_devices();
    if (auto colon = name.find(':'); colon != name.npos)
      std::from_chars(name.data() + colon + 1, name.data() + name.size(), ordinal);
    if (ordinal >= count)
      throw Error(Fault::device, "E0509",
                  "device '" + name + "' does not exist: this machine has " +
                      (count == 1 ? "cuda:0" : "cuda:0 to cuda:" + std::to_string(count - 1)))
          .help("`braid devices` lists them; one GPU may be named several times");
    return std::make_shared<CudaDevice>(ordinal, world_);
  }

 private:
  std::shared_ptr<World> world_ = std::make_shared<World>();
};

}  // namespace

std::unique_ptr<Backend> make_backend() { return std::make_unique<CudaBackend>(); }

}  // namespace braid::cuda
