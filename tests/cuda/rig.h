// Runs one operation on a CUDA device: memory, copies and launches by the Backend's interface only,
// so that the same tests run on an emulated device and on a real one.
//
//   Rig rig;
//   auto done = rig.run("relu", {{.in = {x}, .out = {y}}});     // one launch for all parts
//   done.status[0] == 0; y now holds the result
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <utility>

#include <braid/nodes/builtin.h>

#include "backend.h"
#include "conformance/tensor.h"

namespace braid::test {

/// One slice's operands. Inputs come back, too: operations may write State.
struct CudaPart {
  std::vector<TensorPtr> in = {}, out = {};
  Scalars scalars = {};
  int64_t first_sample = 0;
};

struct CudaRun {
  bool ganged = false;          ///< whether one launch served all parts
  std::vector<int64_t> status;  ///< of each part
};

class Rig {
 public:
  explicit Rig(const std::string& device = "cuda:0") : backend_(cuda::make_backend()) {
    register_builtin(registry_);
    backend_->register_kernels(registry_);
    for (auto& info : backend_->devices())
      if (info.name == device) isa_ = info.isa;
    open(device);
  }

  void open(const std::string& device) {
    device_.reset();
    device_ = backend_->open(device);
  }

  const Registry& registry() const { return registry_; }
  Device& device() { return *device_; }
  DeviceTraits traits() const { return {.kind = "cuda", .isa = isa_}; }

  /// With `gang`, all parts in one launch if the kernel can do that. With `stop`, the word that
  /// ends updates of State is set.
  CudaRun run(const std::string& op, std::vector<CudaPart> parts, const Dict& attrs = {},
              bool gang = true, bool stop = false) {
    std::vector<Signature> signatures;
    for (auto& part : parts) signatures.push_back(signature(op, attrs, part));
    auto offer = registry_.offer(signatures[0], traits());
    if (!offer || !offer->launch) throw std::runtime_error("no cuda kernel offers " + op);
    Step step(*this, parts, stop);
    const bool together = gang && offer->gang;
    const size_t each = together ? parts.size() : 1;
    for (size_t i = 0; i < parts.size(); i += each)
      step.launch(offer->launch(std::span(signatures).subspan(i, each)), i, each);
    return {together, step.finish()};
  }

  static Signature signature(const std::string& op, const Dict& attrs, const CudaPart& part) {
    Signature s{.op = op, .attrs = attrs};
    for (auto& t : part.in) s.in.push_back(t->operand);
    for (auto& t : part.out) s.out.push_back(t->operand);
    return s;
  }

 private:
  /// A tensor's place on the device, with a guard on both sides.
  struct Place {
    static constexpr int64_t guard = 256;
    DeviceMemory* device;
    int64_t bytes;
    std::byte* memory;

    Place(DeviceMemory& d, int64_t size)
        : device(&d),
          bytes((size + 63) / 64 * 64),
          memory(static_cast<std::byte*>(d.allocate(bytes + 2 * guard))) {
      std::vector<unsigned char> fresh(size_t(bytes + 2 * guard), 0xff);
      device->write(memory, fresh.data(), int64_t(fresh.size()));
    }
    Place(const Place&) = delete;
    ~Place() { device->release(memory); }

    void* data() const { return memory + guard; }
    bool intact(int64_t used) const {
      std::vector<unsigned char> all(size_t(bytes + 2 * guard));
      device->read(all.data(), memory, int64_t(all.size()));
      auto fresh = [](unsigned char c) { return c == 0xff; };
      return std::all_of(all.begin(), all.begin() + guard, fresh) &&
             std::all_of(all.begin() + guard + used, all.end(), fresh);
    }
  };
  using PlacePtr = std::unique_ptr<Place>;

  /// One step: memory for everything, launches, results.
  class Step {
   public:
    Step(Rig& rig, std::vector<CudaPart>& parts, bool stop)
        : device_(rig.device()), queue_(device_.queue(0)), parts_(parts) {
      scalars_ = place(int64_t(parts.size() * sizeof(Scalars)));
      status_ = place(int64_t(parts.size() * sizeof(int64_t)));
      stop_ = place(sizeof(int));
      std::vector<Scalars> scalars;
      for (auto& part : parts) scalars.push_back(part.scalars);
      device_.write(scalars_->data(), scalars.data(), int64_t(scalars.size() * sizeof(Scalars)));
      std::vector<int64_t> zeros(parts.size());
      device_.write(status_->data(), zeros.data(), int64_t(zeros.size() * 8));
      const int word = stop;
      device_.write(stop_->data(), &word, sizeof word);
      for (size_t i = 0; i < parts.size(); ++i) add(parts[i], i);
    }

    void launch(const Launch& launch, size_t first, size_t count) {
      workspaces_.push_back(place(launch.workspace));
      device_.activate();
      launch.enqueue({.queue = queue_,
                      .parts = std::span(args_).subspan(first, count),
                      .workspace = launch.workspace ? workspaces_.back()->data() : nullptr,
                      .status = static_cast<int64_t*>(status_->data()) + first,
                      .stop = static_cast<const int*>(stop_->data())});
      workspace_bytes_.push_back(launch.workspace);
    }

    std::vector<int64_t> finish() {
      Event* event = device_.make_event();
      device_.record(queue_, event);
      while (!device_.done(event)) std::this_thread::yield();
      device_.release(event);
      for (size_t i = 0; i < tensors_.size(); ++i) {
        auto& t = *tensors_[i];
        device_.read(t.data(), places_[i]->data(), int64_t(t.bytes()));
        if (!places_[i]->intact(int64_t(t.bytes())))
          throw std::runtime_error("a kernel wrote outside its operands");
      }
      for (size_t i = 0; i < workspaces_.size(); ++i)
        if (!workspaces_[i]->intact(workspace_bytes_[i]))
          throw std::runtime_error("a kernel wrote outside its workspace");
      std::vector<int64_t> status(parts_.size());
      device_.read(status.data(), status_->data(), int64_t(status.size() * 8));
      return status;
    }

   private:
    PlacePtr place(int64_t bytes) { return std::make_unique<Place>(device_, bytes); }

    /// The same tensor given twice has one place.
    void* put(const TensorPtr& t) {
      for (size_t i = 0; i < tensors_.size(); ++i)
        if (tensors_[i] == t) return places_[i]->data();
      tensors_.push_back(t);
      places_.push_back(place(int64_t(t->bytes())));
      device_.write(places_.back()->data(), t->data(), int64_t(t->bytes()));
      return places_.back()->data();
    }

    void add(const CudaPart& part, size_t i) {
      auto& pointers = pointers_.emplace_back(std::make_unique<Pointers>());
      for (auto& t : part.in) pointers->in.push_back(put(t));
      for (auto& t : part.out) pointers->out.push_back(put(t));
      args_.push_back({.inputs = pointers->in.data(),
                       .outputs = pointers->out.data(),
                       .scalars = static_cast<const Scalars*>(scalars_->data()) + i,
                       .first_sample = part.first_sample});
    }

    struct Pointers {
      std::vector<void*> in, out;
    };

    Device& device_;
    Queue* queue_;
    std::vector<CudaPart>& parts_;
    PlacePtr scalars_, status_, stop_;
    std::vector<PlacePtr> places_, workspaces_;
    std::vector<int64_t> workspace_bytes_;
    std::vector<TensorPtr> tensors_;
    std::vector<std::unique_ptr<Pointers>> pointers_;
    std::vector<KernelArgs> args_;
  };

  Registry registry_;
  std::unique_ptr<Backend> backend_;
  std::string isa_;
  std::shared_ptr<Device> device_;
};

/// One for all tests. Its device is opened anew for each of them: a test may have reset the
/// emulator.
inline Rig& rig() {
  static Rig rig;
  static const void* opened_for = nullptr;
  const void* test = ::testing::UnitTest::GetInstance()->current_test_info();
  if (std::exchange(opened_for, test) != test) rig.open("cuda:0");
  return rig;
}

}  // namespace braid::test
