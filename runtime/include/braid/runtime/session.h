// Session: what 90 % of embedders need: open a network, train it, run it.
//
//   Session session = Session::open("digits.yaml", {.devices = {"cpu:0", "cpu:1"}});
//   auto report = train(session, {.out = "runs/digits"});       // braid/runtime/train.h
//   auto out = session.run({{"image", image}}, {"logits"});     // any batch size
//   out.at("logits").as<float>()[0];
//
// Programs (a plan and its executor) are made on demand for each batch size and kept in a bounded
// cache.
//
// Threads: all member functions may be called by any thread. Forward passes (run, run_async, Bound,
// evaluate) run beside each other, up to SessionOptions::concurrency at a time; what writes weights
// or statistics (step, load_weights, ...) waits until they are done and runs alone, so that a pass
// sees the weights of one step. A session with hooks, a trace or a GPU runs everything alone. While
// it waits, no thread picks up other tasks of the host's; a callback may not call the session that
// calls it. References that are handed out (state(), plan(), executor()) are for whoever has the
// session to himself.
#pragma once
#include <exception>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <braid/compiler/compile.h>
#include <braid/dsl/read.h>
#include <braid/runtime/array.h>
#include <braid/runtime/checkpoint.h>
#include <braid/runtime/data.h>
#include <braid/runtime/executor.h>
#include <braid/runtime/hooks.h>
#include <braid/runtime/trace.h>

namespace braid {

struct SessionOptions {
  std::vector<std::string> devices = {};  ///< empty = the file's, else {"cpu"}
  int threads = 0;                        ///< 0 = all cores; of an arena: its own number
  /// Shared with other sessions, or the host's; none = one of the session's own.
  std::shared_ptr<TaskArena> arena = {};
  int concurrency = 0;         ///< forward passes at a time, each with a memory; 0 = threads
  std::string engine = "tbb";  ///< tbb | serial | threads | reference (f64)
  std::string isa = {};        ///< "avx2", "avx512": same bits on every host that has it
  std::set<std::string> disabled = {};  ///< passes
  bool digest = false;                  ///< keep digests of all merged values
  bool check_finite = false;            ///< NaN and infinities fail a step: see ExecutorOptions
  Mutant mutant = {};
  Hooks hooks = {};       ///< see hooks.h
  double deadline = 600;  ///< seconds after which a device or a hook that hangs is given up
  /// Of the devices' kind; none = loaded when a device asks for it.
  std::shared_ptr<Backend> backend = {};
  Transport transport = Transport::copies;  ///< between placements on one GPU
  bool replicate = true;                    ///< call on_replicate hooks when the session opens
  Chunk chunk = Chunk::even;                ///< how the batch is cut into slices
  std::shared_ptr<Trace> trace = {};        ///< none = nothing is recorded
};

/// Means of losses and metrics by name.
struct StepReport {
  double loss = 0;  ///< sum of the losses times their factors
  std::map<std::string, double> losses = {}, metrics = {};
};

/// Names a program: a plan and its executor.
struct ProgramKey {
  Mode mode = Mode::train;
  int64_t batch = 0;
  std::vector<std::string> wanted = {};  ///< these three as in CompileOptions
  Goal goal = Goal::step;
  bool write_state = true;
  int phase = -1;                   ///< of a network with phases: a training step of this one,
  std::vector<int> ran = {};        ///< behind these on the same batch
  std::vector<int64_t> sizes = {};  ///< of Model::free; none = those that the model knows
};

struct RunOptions {
  Mode mode = Mode::eval;    ///< train: the batch's own statistics, dropout
  bool write_state = false;  ///< in training mode: running statistics and counters move
  /// What random numbers are drawn for; none = Session::steps_done().
  std::optional<int64_t> step = {};
};

/// A forward pass whose inputs and outputs are named once, for calls that take no memory and look
/// nothing up: inputs are read where they lie, and outputs are written where they shall be.
///
///   std::array<float, 784> image; std::array<float, 10> logits;
///   Bound call = session.bind({{"image", ConstView::of<float>({1, 1, 28, 28}, image)}},
///                             {{"logits", ArrayView::of<float>({1, 10}, logits)}});
///   image = ...; session.run(call); logits[0];
///
/// It must not outlive its session. One thread at a time uses it; different ones run side by side.
class Bound {
 public:
  Bound(Bound&&) noexcept;
  Bound& operator=(Bound&&) noexcept;
  ~Bound();

  /// The same as Session::run(*this).
  void run();
  /// Reads an input elsewhere from now on. Throws Error(data) for another name, type or size.
  void input(const std::string& name, const ConstView& view);
  /// Writes an output elsewhere from now on.
  void output(const std::string& name, const ArrayView& view);

 private:
  friend class Session;
  struct Impl;
  explicit Bound(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct BackwardOptions {
  std::vector<std::string> outputs = {};  ///< of outputs or layers; none = the declared ones
  Mode mode = Mode::train;
  bool write_state = true;  ///< running statistics and counters, as in a step of training
  /// What random numbers are drawn for; none = Session::steps_done().
  std::optional<int64_t> step = {};
};

/// Outputs, and the gradients of sum(upstream * output) with respect to all floating inputs and all
/// trainable parameters (of those that are frozen there is none): zeros where none arrives. They
/// are sums over all samples, never means.
struct Backward {
  std::map<std::string, Array> outputs = {}, inputs = {}, parameters = {};
};

class Batcher;
class Turn;

class Session {
 public:
  /// Loads the plug-ins that the file names, unless `read.plugins` is off. Throws Error(model) with
  /// all errors of the file.
  static Session open(const std::string& path, SessionOptions options = {},
                      const ReadOptions& read = {});
  /// A text at hand, of a file that was encrypted or never was one. `name` stands in messages;
  /// what the text names is sought in its folder.
  static Session parse(std::string text, const std::string& name = "network.yaml",
                       SessionOptions options = {}, const ReadOptions& read = {});
  explicit Session(Model model, SessionOptions options = {});
  Session(Model model, SessionOptions options, Registry registry);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const Model& model() const;
  const Registry& registry() const;
  const SessionOptions& options() const;
  State& state();
  /// The plan of a mode and batch size; `wanted` as in CompileOptions.
  const Plan& plan(Mode mode, int64_t batch, const std::vector<std::string>& wanted = {});
  Executor& executor(Mode mode, int64_t batch, const std::vector<std::string>& wanted = {});
  const Plan& plan(const ProgramKey& key);
  Executor& executor(const ProgramKey& key);

  /// Of an output or a layer, in a forward pass.
  Type output_type(const std::string& name);

  /// The programs of a training step on `batch` samples: one, or one for each phase.
  std::vector<ProgramKey> training_programs(int64_t batch) const;

  /// Turns SessionOptions::check_finite on or off for what follows.
  void check_finite(bool on);

  /// One optimizer step on `batch` samples: a pointer to [batch, ...] for each input of the model,
  /// null for inputs that nothing needs. Networks with phases take this rate in all of them.
  /// `next` as in StepArgs, of as many samples.
  StepReport step(const std::vector<const void*>& inputs, int64_t batch, double lr,
                  const std::vector<const void*>& next = {});
  /// Of a network with phases: those that are due, one after the other, each with its own rate. A
  /// phase that fails changes nothing; those before it have done their step, and the next call does
  /// it again.
  StepReport step(const std::vector<const void*>& inputs, int64_t batch,
                  const std::vector<double>& rates);
  /// The same from arrays by name, with the optimizers' own rates.
  StepReport step(const std::map<std::string, Array>& inputs);
  /// Means over the whole source in eval mode.
  StepReport evaluate(const DataSource& source);
  /// A forward pass. Outputs: names of outputs or layers; none = the declared ones.
  std::map<std::string, Array> run(const std::map<std::string, Array>& inputs,
                                   const std::vector<std::string>& outputs = {},
                                   const RunOptions& options = {});
  /// Names the inputs and outputs of a pass: all outputs that are wanted, of the types that they
  /// have. Throws as run(), and Error(data, "E0353") for an output of another type.
  Bound bind(const std::map<std::string, ConstView>& inputs,
             const std::map<std::string, ArrayView>& outputs, const RunOptions& options = {});
  void run(Bound& call);
  /// The same by a thread of the session's own, so that the caller need not wait. Waiting for the
  /// future inside a host's arena that the session shares may wait for the place one holds oneself.
  std::future<std::map<std::string, Array>> run_async(std::map<std::string, Array> inputs,
                                                      std::vector<std::string> outputs = {},
                                                      const RunOptions& options = {});
  /// `done` is called by that thread: with nothing, or with what was thrown. `call` stays where it
  /// is until then.
  void run_async(Bound& call, std::function<void(std::exception_ptr)> done);
  /// Forward and backward with gradients from outside, one array for each output, of its type: for
  /// losses and optimizers that are not ours. Losses, optimizer and `accumulate` of the network
  /// play no part, and it is no step: steps_done() stays. The engine "reference" takes f32 or f64
  /// and answers in f64. Throws Error(data) for arrays that are missing, surplus or of another
  /// type, Error(model) for an output that does not exist.
  Backward backward(const std::map<std::string, Array>& inputs,
                    const std::map<std::string, Array>& upstream,
                    const BackwardOptions& options = {});

  /// Calls the on_replicate hooks of all replicas anew, with fresh contexts.
  void replicate();

  int64_t steps_done() const;  ///< optimizer steps since the start of the run
  /// Parameters and buffers by key; those that nothing has needed yet are made and initialised.
  std::map<std::string, Array> weights();
  /// Replaces all of them. Throws Error(data, "E0313") for tensors that do not fit the model;
  /// `from` names them in the message. Nothing is changed then.
  void set_weights(const std::map<std::string, Array>& tensors,
                   const std::string& from = "the weights");
  /// From a file, with what the network's `weights` says of renaming and of what may differ.
  /// Throws Error(data, "E0315") where renaming makes two keys one.
  void load_weights(const std::string& path);
  /// The same from the bytes of a safetensors file; `name` stands in messages.
  void load_weights(std::span<const std::byte> file, const std::string& name = "the weights");
  /// Weights and their moving averages (`train: {ema: ...}`) change places; a second call changes
  /// them back. To evaluate or save the averages.
  void exchange_averages();
  /// Returns the SHA-256 of the file.
  std::string save_weights(const std::string& path);
  /// The bytes of that file.
  std::vector<std::byte> save_weights();
  /// Everything that a run needs to go on, with the program hash of the global batch.
  Checkpoint checkpoint();
  /// Takes up a checkpoint, whatever devices it was written on. Returns "" or what differs from
  /// the program that wrote it; throws Error(data) instead when `exact`.
  std::string restore(const Checkpoint& checkpoint, bool exact = false);

 private:
  friend class Turn;
  friend class Bound;
  friend class Batcher;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// 16 hexadecimal digits.
std::string hex(uint64_t hash);

}  // namespace braid
