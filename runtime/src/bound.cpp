#include <braid/runtime/session.h>

#include <algorithm>

#include "session_impl.h"

namespace braid {

struct Bound::Impl {
  Session::Impl& session;
  std::shared_ptr<Program> program;
  RunOptions options;
  std::vector<InputDecl> declared;
  ConstViews inputs;
  Feed feed;
  StepArgs args;
  std::vector<void*> outputs;  // by result

  void feed_inputs();
  size_t result(const std::string& name) const;
  void set(size_t result, const ArrayView& view);
  void run();
};

void Bound::Impl::feed_inputs() {
  int64_t batch = 0;
  args.inputs = feed.inputs(declared, inputs, batch);
}

size_t Bound::Impl::result(const std::string& name) const {
  auto& results = program->plan.results;
  auto found = std::ranges::find(results, name, &PlanResult::name);
  if (found == results.end()) session.check_names({name});
  ensure(found != results.end(), "a bound output is no result of the plan");
  return size_t(found - results.begin());
}

void Bound::Impl::set(size_t result, const ArrayView& view) {
  auto& plan = program->plan;
  auto& type = plan.results[result].type;
  if (view.dtype != type.dtype || view.dims != type.dims(plan.batch))
    throw Error(Fault::data, "E0353",
                "output '" + plan.results[result].name + "' is bound to " + to_string(view) +
                    ", and is " + to_string(type) + " with N = " + std::to_string(plan.batch));
  outputs[result] = view.bytes.data();
}

void Bound::Impl::run() {
  if (session.wide()) feed_inputs();  // their copies in f64
  const Turn turn(session, program, options.mode == Mode::train && options.write_state);
  args.scalars = session.scalars(options.step);
  session.execute(turn.executor(), args, "run");
  for (size_t i = 0; i < outputs.size(); ++i) turn.executor().read(i, outputs[i]);
}

Bound::Bound(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Bound::Bound(Bound&&) noexcept = default;
Bound& Bound::operator=(Bound&&) noexcept = default;
Bound::~Bound() = default;

void Bound::run() { impl_->run(); }

void Bound::input(const std::string& name, const ConstView& view) {
  auto known = impl_->inputs.find(name);
  if (known == impl_->inputs.end())
    throw Error(Fault::data, "E0351", "the call has no input '" + name + "'");
  if (known->second.dtype != view.dtype || known->second.dims != view.dims)
    throw Error(Fault::data, "E0352",
                "input '" + name + "' is bound to " + to_string(known->second) + ", not to " +
                    to_string(view));
  known->second = view;
  impl_->feed_inputs();
}

void Bound::output(const std::string& name, const ArrayView& view) {
  impl_->set(impl_->result(name), view);
}

Bound Session::bind(const std::map<std::string, ConstView>& inputs,
                    const std::map<std::string, ArrayView>& outputs, const RunOptions& options) {
  ProgramKey key{.mode = options.mode, .goal = Goal::forward, .write_state = options.write_state};
  for (auto& [name, view] : outputs) key.wanted.push_back(name);
  impl_->check_names(key.wanted);
  auto declared = impl_->declared(inputs, key);
  Feed(impl_->wide()).inputs(declared, inputs, key.batch);
  auto program = impl_->programs.find(key);
  auto bound = std::make_unique<Bound::Impl>(Bound::Impl{
      *impl_, program, options, std::move(declared), inputs, Feed(impl_->wide()), {}, {}});
  bound->outputs.resize(program->plan.results.size());
  bound->feed_inputs();
  for (auto& [name, view] : outputs) bound->set(bound->result(name), view);
  return Bound(std::move(bound));
}

void Session::run(Bound& call) { call.run(); }

Dispatcher& Session::Impl::dispatch() {
  std::call_once(dispatching, [this] { dispatcher.emplace(lanes()); });
  return *dispatcher;
}

std::future<std::map<std::string, Array>> Session::run_async(std::map<std::string, Array> inputs,
                                                             std::vector<std::string> outputs,
                                                             const RunOptions& options) {
  using Task = std::packaged_task<std::map<std::string, Array>()>;
  // A session may be moved while it works: what it stands on stays.
  auto task = std::make_shared<Task>([impl = impl_.get(), inputs = std::move(inputs),
                                      outputs = std::move(outputs),
                                      options] { return impl->run(inputs, outputs, options); });
  auto future = task->get_future();
  impl_->dispatch().add([task] { (*task)(); });
  return future;
}

void Session::run_async(Bound& call, std::function<void(std::exception_ptr)> done) {
  impl_->dispatch().add([&bound = *call.impl_, done = std::move(done)] {
    std::exception_ptr thrown;
    try {
      bound.run();
    } catch (...) {
      thrown = std::current_exception();
    }
    done(thrown);
  });
}

}  // namespace braid
