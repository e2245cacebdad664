#include "threads.h"

#include <sys/mman.h>

#include <boost/context/fiber.hpp>
#include <numeric>
#include <vector>

#include "memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define BRAID_FIBERS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BRAID_FIBERS_ASAN 1
#endif
#endif
#ifdef BRAID_FIBERS_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace emulator {
namespace {

using boost::context::fiber;

/// 0..n-1 in some order, without a table.
class Order {
 public:
  Order(uint64_t n, Random& random) : n_(n) {
    switch (random() % 4) {
      case 0:
        break;
      case 1:  // backwards
        by_ = n - 1;
        from_ = n - 1;
        break;
      default:
        from_ = random() % n;
        do by_ = random() % n;
        while (std::gcd(by_, n) != 1 && n > 1);
    }
  }
  uint64_t operator[](uint64_t i) const { return (from_ + i * by_) % n_; }

 private:
  uint64_t n_, from_ = 0, by_ = 1;
};

constexpr size_t stack_bytes = 256 << 10;

/// Stacks with a guard page; fibers are never destroyed.
struct Stacks {
  boost::context::stack_context allocate() {
    void* map = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) die("no memory for the stack of a thread");
    mprotect(map, 4096, PROT_NONE);
    boost::context::stack_context c;
    c.size = stack_bytes;
    c.sp = bottom = static_cast<char*>(map) + stack_bytes;
    return c;
  }
  void deallocate(boost::context::stack_context&) {}
  void* bottom = nullptr;
};

/// Runs threads one after the other; where one waits, it waits with it.
struct Worker {
  fiber here, back;
  const char* stack = nullptr;
  unsigned thread = 0;
  bool waits = false;
};

class Block {
 public:
  void run(const std::function<void()>& body, unsigned threads, Random& random) {
    body_ = &body;
    threads_ = threads;
    started_ = 0;
    Order order(threads, random);
    order_ = &order;
    std::vector<Worker*> waiting, next;
    while (started_ < threads_) resume(take(), waiting);
    while (!waiting.empty()) {
      met_ = unsigned(waiting.size());
      Order again(waiting.size(), random);
      next.clear();
      for (size_t i = 0; i < waiting.size(); ++i) {
        Worker* w = waiting[again[i]];
        place(w->thread);
        resume(w, next);
      }
      waiting.swap(next);
    }
  }

  void wait() {
    Worker* w = current_;
    w->waits = true;
    leave(w);
  }

  bool whole(unsigned threads, bool met) const {
    return blockDim.x == threads && threads_ == threads && (!met || met_ == threads);
  }

 private:
  static void place(unsigned thread) {
    threadIdx = {thread % blockDim.x, thread / blockDim.x % blockDim.y,
                 thread / (blockDim.x * blockDim.y)};
  }

  Worker* take() {
    if (!idle_.empty()) {
      auto* w = idle_.back();
      idle_.pop_back();
      return w;
    }
    auto* w = new Worker;
    auto stack = Stacks{}.allocate();
    w->stack = static_cast<char*>(stack.sp) - stack_bytes;
    w->here = fiber(std::allocator_arg, boost::context::preallocated(stack.sp, stack.size, stack),
                    Stacks{}, [this, w](fiber&& back) {
                      arrive();
                      w->back = std::move(back);
                      for (;;) {
                        work(w);
                        leave(w);
                      }
                      return fiber{};
                    });
    return w;
  }

  void work(Worker* w) {
    while (started_ < threads_) {
      w->thread = unsigned((*order_)[started_++]);
      place(w->thread);
      (*body_)();
    }
  }

  void resume(Worker* w, std::vector<Worker*>& waiting) {
    current_ = w;
    w->waits = false;
#ifdef BRAID_FIBERS_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, w->stack, stack_bytes);
#endif
    w->here = std::move(w->here).resume();
#ifdef BRAID_FIBERS_ASAN
    __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
    current_ = nullptr;
    (w->waits ? waiting : idle_).push_back(w);
  }

  /// Back to the scheduler, until resumed.
  void leave(Worker* w) {
#ifdef BRAID_FIBERS_ASAN
    void* fake = nullptr;
    __sanitizer_start_switch_fiber(&fake, main_, main_bytes_);
#endif
    w->back = std::move(w->back).resume();
#ifdef BRAID_FIBERS_ASAN
    __sanitizer_finish_switch_fiber(fake, &main_, &main_bytes_);
#endif
  }
  void arrive() {
#ifdef BRAID_FIBERS_ASAN
    __sanitizer_finish_switch_fiber(nullptr, &main_, &main_bytes_);
#endif
  }

  const std::function<void()>* body_ = nullptr;
  const Order* order_ = nullptr;
  unsigned threads_ = 0, started_ = 0, met_ = 0;
  Worker* current_ = nullptr;
  std::vector<Worker*> idle_;
  [[maybe_unused]] const void* main_ = nullptr;
  [[maybe_unused]] size_t main_bytes_ = 0;
};

Block& the_block() {
  static Block& block = *new Block;  // its fibers must not be unwound at exit
  return block;
}

}  // namespace

void run_grid(dim3 grid, dim3 block, const std::function<void()>& thread, Random& random) {
  gridDim = grid;
  blockDim = block;
  const uint64_t blocks = uint64_t(grid.x) * grid.y * grid.z;
  const Order order(blocks, random);
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t b = order[i];
    blockIdx = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y), unsigned(b / grid.x / grid.y)};
    the_block().run(thread, block.x * block.y * block.z, random);
  }
}

void whole_block(unsigned threads, bool met) {
  if (!the_block().whole(threads, met))
    die("a collective for %u threads was called by only some of a block, or by a block of %u x %u "
        "x %u",
        threads, blockDim.x, blockDim.y, blockDim.z);
}

}  // namespace emulator

void __syncthreads() { emulator::the_block().wait(); }
