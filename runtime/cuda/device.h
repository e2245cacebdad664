// A placement on a GPU: its memory, streams and events.
#pragma once
#include <braid/runtime/backend.h>

#include <map>
#include <memory>
#include <mutex>

#include "communicator.h"
#include "cuda/queue.h"

namespace braid::cuda {

class CudaDevice : public Device {
 public:
  CudaDevice(int ordinal, std::shared_ptr<World> world);
  ~CudaDevice() override;

  void* allocate(int64_t bytes) override;
  void release(void* memory) noexcept override;
  void write(void* to, const void* from, int64_t bytes) override;
  void read(void* to, const void* from, int64_t bytes) const override;
  void poison(void* memory, int64_t bytes) override;
  void* allocate_staging(int64_t bytes) override;
  void release_staging(void* memory) noexcept override;

  void activate() override;
  Queue* queue(int index) override;
  void upload(Queue* queue, const CopyPiece& piece) override;
  void download(Queue* queue, const CopyPiece& piece) override;
  void fill(Queue* queue, void* to, int byte, int64_t bytes) override;
  void receive(Queue* queue, Device& source, std::span<const CopyPiece> pieces) override;
  void sum(Queue* queue, std::span<Device* const> devices,
           std::span<const SumPiece> pieces) override;

  void copy(Queue* queue, Device& target, Device& source, const CopyPiece& piece) override;
  void set_transport(Transport transport) override { transport_ = transport; }
  void abandon() noexcept override;

  Event* make_event() override;
  void release(Event* event) noexcept override;
  void record(Queue* queue, Event* event) override;
  void wait(Queue* queue, Event* event) override;
  bool done(Event* event) override;
  Event* make_timer() override;
  int64_t elapsed(Event* from, Event* to) override;

  void begin_recording(Queue* queue) override;
  Recording* end_recording(Queue* queue) override;
  void abandon_recording(Queue* queue) noexcept override;
  void replay(Queue* queue, Recording* recording) override;
  void release(Recording* recording) noexcept override;

  void join_status(Queue* queue, const int64_t* status, int64_t words, int* stop) override;
  void count_not_finite(Queue* queue, DType dtype, const void* values, int64_t count,
                        int64_t* counts) override;

 private:
  /// The other end of what one of this device's queues receives: a queue of the source's GPU.
  struct Link {
    Queue sender;
    cudaEvent_t ready = nullptr, sent = nullptr;
  };
  Event* make_event(unsigned flags);
  Link& link_from(Queue* queue, int source);
  std::shared_ptr<Communicator> communicator_to(int source);
  std::shared_ptr<Communicator> communicator_between(const std::set<int>& ordinals);
  void exchange(Queue* queue, int source, std::span<const CopyPiece> pieces);
  void begin(Link& link, Queue* queue, const char* what);
  void end(Link& link, Queue* queue, const char* what);
  std::vector<std::shared_ptr<Communicator>> communicators() const;

  int ordinal_;
  std::atomic<bool> abandoned_ = false;
  Transport transport_ = Transport::copies;
  std::map<int, std::unique_ptr<Queue>> queues_;

  std::shared_ptr<World> world_;
  mutable std::mutex links_mutex_;  ///< of the rest, which several threads see
  std::map<std::pair<Queue*, int>, Link> links_;
  std::vector<std::shared_ptr<Communicator>> communicators_;  ///< that were used
};

/// In nodes/cuda/status.cu.
void launch_join_status(Queue* queue, const int64_t* status, int64_t words, int* stop);
void launch_count_not_finite(Queue* queue, DType dtype, const void* values, int64_t count,
                             int64_t* counts);

/// Of the libraries' wrappers: dnn.cpp and gemm.cpp.
void release_dnn(Queue* queue) noexcept;
std::string dnn_version();
std::string gemm_version();

}  // namespace braid::cuda
