#include "communicator.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include <braid/core/error.h>

namespace braid::cuda {
namespace {

// NCCL's abort waits for what it has enqueued, which may stand behind a kernel that never ends.
constexpr auto kPatience = std::chrono::seconds(2);

std::string text_of(ncclResult_t result, ncclComm_t comm) {
  const char* more = ncclGetLastError(comm);
  return std::string("NCCL says '") + ncclGetErrorString(result) + "'" +
         (more && *more ? std::string(" (") + more + ")" : "");
}

ncclDataType_t type_of(DType dtype) {
  ensure(dtype == DType::f32 || dtype == DType::f64, "NCCL adds f32 or f64");
  return dtype == DType::f32 ? ncclFloat32 : ncclFloat64;
}

}  // namespace

Communicator::Communicator(std::vector<int> ordinals) : ranks_(ordinals.size()) {
  for (size_t i = 0; i < ordinals.size(); ++i) rank_of_[ordinals[i]] = int(i);
  ensure(rank_of_.size() == ordinals.size(), "a communicator has a GPU once");
  check(ncclCommInitAll(ranks_.data(), int(ordinals.size()), ordinals.data()), "starting NCCL");
}

// Aborting, unlike destroying, does not wait for the other ranks.
Communicator::~Communicator() { abort(); }

void Communicator::check(ncclResult_t result, const char* what) const {
  if (result == ncclSuccess || result == ncclInProgress) return;
  throw Error(Fault::device, "E0522", std::string(what) + ": " + text_of(result, nullptr));
}

int Communicator::rank(const Queue* queue) const {
  auto found = rank_of_.find(queue->ordinal);
  ensure(found != rank_of_.end(), "a communicator knows the GPU of a queue");
  return found->second;
}

// A group is closed also after a failure within, or the thread's next group would be part of it.
template <class Calls>
void Communicator::group(const char* what, Calls calls) {
  std::lock_guard lock(mutex_);
  if (aborted_)
    throw Error(Fault::device, "E0522", std::string(what) + ": NCCL was aborted before");
  const std::string name = std::string(what) + ", NCCL's group " + std::to_string(++groups_);
  check(ncclGroupStart(), name.c_str());
  ncclResult_t result = ncclSuccess;
  calls([&](ncclResult_t of_call) {
    if (result == ncclSuccess) result = of_call;
  });
  const auto end = ncclGroupEnd();
  check(result == ncclSuccess ? end : result, name.c_str());
}

void Communicator::exchange(std::span<const Message> messages) {
  group("an exchange between devices", [&](auto call) {
    for (auto& m : messages) {
      if (m.bytes == 0) continue;
      const int to = rank(m.receiver), from = rank(m.sender);
      call(
          ncclSend(m.from, size_t(m.bytes), ncclUint8, to, ranks_[size_t(from)], m.sender->stream));
      call(
          ncclRecv(m.to, size_t(m.bytes), ncclUint8, from, ranks_[size_t(to)], m.receiver->stream));
    }
  });
}

void Communicator::all_reduce(std::span<const Sum> sums) {
  for (auto& sum : sums)
    ensure(sum.summands.size() == ranks_.size(), "a sum has a summand for each GPU");
  group("a sum over devices", [&](auto call) {
    for (auto& sum : sums)
      for (auto& s : sum.summands)
        call(ncclAllReduce(s.from, s.to, size_t(sum.count), type_of(sum.dtype), ncclSum,
                           ranks_[size_t(rank(s.queue))], s.queue->stream));
  });
}

bool Communicator::is_between(const std::set<int>& ordinals) const {
  return std::ranges::equal(rank_of_, ordinals, {}, [](auto& entry) { return entry.first; });
}

// Where a group is just being enqueued, this is no moment to look.
void Communicator::poll() {
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock || aborted_) return;
  for (auto& [ordinal, rank] : rank_of_) {
    ncclResult_t found = ncclSuccess;
    check(ncclCommGetAsyncError(ranks_[size_t(rank)], &found), "asking NCCL how it is");
    if (found == ncclSuccess || found == ncclInProgress) continue;
    throw Error(Fault::device, "E0522",
                "cuda:" + std::to_string(ordinal) + ", after " + std::to_string(groups_) +
                    " groups: " + text_of(found, ranks_[size_t(rank)]));
  }
}

void Communicator::abort() noexcept {
  if (aborted_.exchange(true)) return;
  // A group that is being enqueued is enqueued as a whole, unless it is that which hangs.
  std::unique_lock lock(mutex_, kPatience);
  std::promise<void> done;
  auto finished = done.get_future();
  std::thread aborting([ranks = ranks_, done = std::move(done)]() mutable {
    for (auto rank : ranks)
      if (rank) ncclCommAbort(rank);
    done.set_value();
  });
  if (finished.wait_for(kPatience) == std::future_status::ready)
    aborting.join();
  else
    aborting.detach();
}

void World::join(int ordinal) {
  std::lock_guard lock(mutex_);
  ordinals_.insert(ordinal);
}

void World::leave(int ordinal) {
  std::lock_guard lock(mutex_);
  ordinals_.erase(ordinals_.find(ordinal));
  if (!ordinals_.empty()) return;
  communicator_.reset();
  others_.clear();
}

std::shared_ptr<Communicator> World::communicator() {
  std::lock_guard lock(mutex_);
  const std::set<int> here(ordinals_.begin(), ordinals_.end());
  auto covered = [&](int ordinal) { return communicator_->covers(ordinal); };
  if (!communicator_ || !std::ranges::all_of(here, covered))
    communicator_ = std::make_shared<Communicator>(std::vector<int>(here.begin(), here.end()));
  return communicator_;
}

std::shared_ptr<Communicator> World::communicator(const std::set<int>& ordinals) {
  auto common = communicator();
  if (common->is_between(ordinals)) return common;
  std::lock_guard lock(mutex_);
  auto& own = others_[ordinals];
  if (!own)
    own = std::make_shared<Communicator>(std::vector<int>(ordinals.begin(), ordinals.end()));
  return own;
}

std::string nccl_version() {
  int v = 0;
  ncclGetVersion(&v);  // 22809
  return "NCCL " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100) + "." +
         std::to_string(v % 100);
}

}  // namespace braid::cuda
