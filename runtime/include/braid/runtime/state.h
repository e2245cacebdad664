// State: parameters, running statistics, counters, optimizer state. It is owned outside every Plan,
// in plain row-major memory, one copy for each device, and it is written only behind the commit
// gate of a step. Variables may be added and found by several threads at once; what they hold is
// written by one thread while none reads it.
//
//   State state(2, seed);                    // two devices
//   int w = state.add(var);                  // finds it, or makes and initialises it
//   state.at<float>(0, w)[0];
//   TensorFile weights = state.weights();    // parameters and buffers by PyTorch's names
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <braid/core/graph.h>
#include <braid/runtime/backend.h>
#include <braid/runtime/safetensors.h>

namespace braid {

class State {
 public:
  State(int devices, uint64_t seed) : State(host_placements(devices), seed) {}
  State(Placements placements, uint64_t seed);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// The index of the variable with this key, made and initialised on every device when it is new.
  /// Throws Error(bug) when the key is known with another type.
  int add(const StateVar& var);
  int find(const std::string& key) const;  ///< -1 = unknown
  size_t size() const;
  const StateVar& var(int i) const;
  int devices() const { return int(placements_.size()); }

  /// In the memory of the device.
  void* data(int device, int var) const;
  template <class T>
  T* at(int device, int var) {
    return static_cast<T*>(data(device, var));
  }

  /// Parameters and buffers of device 0, f32 also where the engine computes in f64.
  std::map<std::string, Array> weights() const;
  /// Everything, optimizer state included.
  std::map<std::string, Array> all() const;
  /// Overwrites the variables named in `tensors` on all devices. Variables that are missing,
  /// surplus tensors and other shapes are collected into one Error(data) that lists them, but for
  /// those that `allowed` lets differ; nothing is written then. With `everything`, optimizer state
  /// must be there too.
  void load(const std::map<std::string, Array>& tensors, const std::string& from, bool everything,
            const WeightsDecl& allowed = {});

  /// Weights and their moving averages change places, on all devices; a second call changes them
  /// back. Weights without an average stay.
  void exchange_averages();

  int64_t bytes() const;  ///< of one copy
  /// A digest of all bits of one device's copy.
  uint64_t digest(int device) const;

 private:
  int known(const std::string& key) const;
  Array array_of(int var) const;
  void assign(int var, const Array& array);
  void write(int var, const void* from);

  Placements placements_;
  uint64_t seed_;
  mutable std::mutex adding_;
  std::deque<StateVar> vars_;  // references to them stay
  std::map<std::string, int> by_key_;
  std::vector<std::vector<void*>> copies_;  // device, variable
};

}  // namespace braid
