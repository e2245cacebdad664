// Where samples come from, in which order, and a thread that has the next batch ready.
//
//   DataSource train = DataSource::open(*model.train_data, model.inputs, model.folder, model.seed);
//   BatchPlan plan({.samples = train.size(), .batch = 256, .shuffle = train.shuffle(), .seed = 7});
//   Prefetcher prefetcher(train, plan, first_step, last_step);
//   while (const Batch* batch = prefetcher.next()) use(batch->inputs[0]);
//
// Types: `Idx` (MNIST's format, plain or gz), `Csv`, `Npy`, `Images` (PNG in folders,
// paired by file name), `ImageFolder` (a folder for each class). Every key that is an input's name
// says how that input is filled: value = (x * scale - mean) / std. `augment` changes all pictures
// of a sample alike.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <braid/core/error.h>
#include <braid/core/model.h>
#include <braid/runtime/array.h>

namespace braid {

struct SourceSpec;

/// Samples in memory, in the compact form of their file. A cheap handle: copies share the samples.
/// All const functions may be called by several threads at once.
class DataSource {
 public:
  /// Reads the files. Relative paths begin at `folder`; `seed` is for inputs that are drawn.
  /// Throws Error(Fault::model) for the declaration, Error(Fault::data) for the files.
  static DataSource open(const TypedDict& declared, std::span<const InputDecl> inputs,
                         const std::string& folder, uint64_t seed = 0);
  /// Samples that a program has at hand: one array per input name, the first size is the samples'.
  static DataSource of(const std::map<std::string, Array>& arrays,
                       std::span<const InputDecl> inputs);

  int64_t size() const;  ///< samples; at least 1
  bool shuffle() const;
  /// Whether this source fills that input of the model (inputs nobody needs may be left out).
  bool fills(size_t input) const;
  int64_t bytes_per_sample(size_t input) const;
  size_t inputs() const;

  /// Writes the values of these samples, in the input's dtype, one after the other. With an epoch,
  /// what `augment` does is drawn: a pure function of (seed, epoch, sample), the same for all
  /// inputs. Without one nothing is random: crops come from the middle.
  void fill(std::span<const int64_t> samples, size_t input, void* out,
            std::optional<int64_t> epoch = {}) const;

  /// Throws Error(Fault::data, "E0346") naming file and sample when a value of this integer input
  /// is not in [0, classes), other than `ignored`: before training starts, not in the middle.
  void check_labels(size_t input, int64_t classes, int64_t ignored = -100) const;

  struct Impl;

 private:
  friend DataSource open_source(const SourceSpec& spec, std::span<const InputDecl> inputs);
  explicit DataSource(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Reports unknown types and keys, missing keys and wrong values (E0330 to E0333), without looking
/// for a file.
void check_data(const TypedDict& declared, std::span<const InputDecl> inputs, Diagnostics& found);

std::vector<std::string> data_source_types();

struct BatchOptions {
  int64_t samples = 0;  ///< of the whole source
  int64_t batch = 1;    ///< of one step; the last of an epoch may be smaller
  bool shuffle = false;
  bool drop_last = false;
  bool augment = false;  ///< what `augment` does is drawn anew in each epoch: for training
  uint64_t seed = 0;
};

/// Which samples a step sees: a pure function of the options and the step, counted from 0 over all
/// epochs. The order of an epoch depends on (seed, epoch) alone. Keeps the last epoch's order, so
/// one object belongs to one thread.
class BatchPlan {
 public:
  /// Throws Error(Fault::data, "E0347") when an epoch would have no step.
  explicit BatchPlan(BatchOptions options);

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t epoch_of(int64_t step) const { return step / steps_per_epoch_; }
  /// What DataSource::fill is to be given for this step: the epoch, or nothing without `augment`.
  std::optional<int64_t> drawn_epoch(int64_t step) const;
  int64_t largest_batch() const;
  std::vector<int64_t> batch(int64_t step);
  /// The same into `out`, whose memory is used again.
  void batch(int64_t step, std::vector<int64_t>& out);

 private:
  void shuffle_for(int64_t epoch);
  BatchOptions options_;
  int64_t steps_per_epoch_ = 0;
  int64_t epoch_ = -1;  ///< the one that order_ is of
  std::vector<int64_t> order_;
};

struct Batch {
  int64_t step = 0;
  std::vector<int64_t> samples = {};  ///< their indices in the source
  /// One buffer per input of the model, empty for those that the source does not fill. A smaller
  /// last batch uses the front.
  std::vector<std::vector<std::byte>> inputs = {};
};

/// Fills the batches of the steps [first, end) in order, ahead of who uses them, in a thread of its
/// own and in `depth` + 1 buffers that are used again and again.
class Prefetcher {
 public:
  Prefetcher(DataSource source, BatchPlan plan, int64_t first, int64_t end, size_t depth = 2);
  ~Prefetcher();  ///< stops after the batch that is being filled
  Prefetcher(Prefetcher&&) noexcept;
  Prefetcher& operator=(Prefetcher&&) noexcept;

  /// The next batch, valid until the next call; null after the last. An exception of the thread
  /// is thrown here, after the batches before it.
  const Batch* next();
  /// The batch after the one that next() gave, if it is there already, else null. Valid until the
  /// second next() from here.
  const Batch* peek();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid
