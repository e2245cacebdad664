#include "onednn/sequence.h"

#include <dnnl_debug.h>

#include <array>
#include <atomic>
#include <memory>

#include <braid/core/error.h>

#include "onednn/guard.h"

namespace braid::onednn {
namespace {

// A memory object that covers the same bytes without saying how they are laid out. Setting the
// address of a padded memory object writes zeros into its padding: right for a result, but inputs
// are shared between threads and must not be written.
dnnl::memory::desc bytes_of(const dnnl::memory::desc& md) {
  return {{int64_t(md.get_size())}, dnnl::memory::data_type::u8, dnnl::memory::format_tag::a};
}

// The argument objects of one run: oneDNN's memory objects and the list it wants them in.
struct Arguments {
  std::vector<dnnl::memory> memory;
  std::vector<dnnl_exec_arg_t> list;
  std::vector<Place> places;

  Arguments(const Step& step, const dnnl::engine& engine) {
    for (auto& [arg, place] : step.arguments) {
      auto md = step.description.query_md(dnnl::query::exec_arg_md, arg);
      bool written = place.kind != Place::Kind::input && arg != DNNL_ARG_SCRATCHPAD;
      memory.emplace_back(written ? md : bytes_of(md), engine, nullptr);
      list.push_back({arg, memory.back().get()});
      places.push_back(place);
    }
  }

  void point(const KernelArgs& args) {
    for (size_t i = 0; i < places.size(); ++i) {
      auto [kind, at] = places[i];
      void* address = kind == Place::Kind::input    ? args.inputs[at]
                      : kind == Place::Kind::output ? args.outputs[at]
                                                    : static_cast<char*>(args.workspace) + at;
      dnnl_memory_set_data_handle(memory[i].get(), address);
    }
  }
};

struct Set {
  dnnl::stream stream;
  std::vector<Arguments> steps;
};

// Sets that no run uses at present. A run takes one out and puts it back; where none is left it
// makes one, so the pool grows to the number of threads that meet here, in the first step.
class Pool {
 public:
  Pool(const dnnl::engine& engine, std::vector<Step> steps)
      : engine_(engine), steps_(std::move(steps)) {
    give(make());
  }
  ~Pool() {
    for (auto& slot : slots_) delete slot.load();
  }

  std::unique_ptr<Set> take() {
    for (auto& slot : slots_)
      if (slot.load(std::memory_order_relaxed))
        if (Set* set = slot.exchange(nullptr, std::memory_order_acquire))
          return std::unique_ptr<Set>(set);
    return make();
  }

  void give(std::unique_ptr<Set> set) {
    for (auto& slot : slots_) {
      Set* nothing = nullptr;
      if (slot.compare_exchange_strong(nothing, set.get(), std::memory_order_release)) {
        static_cast<void>(set.release());
        return;
      }
    }
  }

 private:
  std::unique_ptr<Set> make() const {
    auto set = std::make_unique<Set>();
    set->stream = dnnl::stream(engine_);
    for (auto& step : steps_) set->steps.emplace_back(step, engine_);
    return set;
  }

  dnnl::engine engine_;
  std::vector<Step> steps_;
  std::array<std::atomic<Set*>, 32> slots_ = {};
};

[[noreturn]] void failed(dnnl_status_t status) {
  throw Error(Fault::run, "E0540", std::string("oneDNN failed: ") + dnnl_status2str(status));
}

KernelBody bind(const dnnl::engine& engine, const std::vector<Step>& steps) {
  Guard guard;
  std::vector<dnnl::primitive> primitives;
  primitives.reserve(steps.size());
  for (auto& step : steps) primitives.emplace_back(step.description.get());
  auto pool = std::make_shared<Pool>(engine, steps);
  return [primitives, pool](const KernelArgs& args) {
    Guard one_thread;
    auto set = pool->take();
    for (size_t i = 0; i < primitives.size(); ++i) {
      auto& arguments = set->steps[i];
      arguments.point(args);
      auto status = dnnl_primitive_execute(primitives[i].get(), set->stream.get(),
                                           int(arguments.list.size()), arguments.list.data());
      if (status != dnnl_success) failed(status);
    }
    pool->give(std::move(set));
  };
}

}  // namespace

dnnl::primitive_attr attributes() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

Place Sequence::reserve(int64_t bytes) {
  Place place{Place::Kind::workspace, workspace_};
  workspace_ += (bytes + 63) / 64 * 64;
  return place;
}

Place Sequence::workspace(const dnnl::memory::desc& md) { return reserve(int64_t(md.get_size())); }

void Sequence::add(const dnnl::primitive_desc_base& description, std::vector<Argument> arguments) {
  if (auto bytes = int64_t(description.scratchpad_desc().get_size()))
    arguments.push_back({DNNL_ARG_SCRATCHPAD, reserve(bytes)});
  impl_ += (steps_.empty() ? "onednn:" : "+") + std::string(description.impl_info_str());
  steps_.push_back({description, std::move(arguments)});
}

Offer Sequence::offer(std::vector<Format> in, std::vector<Format> out) const {
  return {.impl = impl_,
          .in_formats = std::move(in),
          .out_formats = std::move(out),
          .workspace = workspace_,
          .bind = [engine = engine_, steps = steps_] { return bind(engine, steps); }};
}

}  // namespace braid::onednn
