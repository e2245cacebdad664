// Batcher: requests of few samples, run together. What arrives within `wait` of the first is one
// forward pass of up to `most` samples; everybody gets his own rows, with the bits that he would
// have got alone (in eval mode a sample does not depend on what else is in its batch).
//
//   Batcher batcher(session, {.most = 16, .wait = std::chrono::milliseconds(1)});
//   batcher.add({{"image", image}}, [](Batcher::Answer answer) {
//     if (answer.error) ...; else use(answer.outputs.at("logits"));
//   });
#pragma once
#include <chrono>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <braid/runtime/array.h>

namespace braid {

class Session;

struct BatcherOptions {
  int64_t most = 16;                      ///< samples of one pass
  std::chrono::microseconds wait{1000};   ///< for more of them, from the first on
  std::vector<std::string> outputs = {};  ///< of outputs or layers; none = the declared ones
};

class Batcher {
 public:
  struct Answer {
    std::map<std::string, Array> outputs = {};
    std::exception_ptr error = {};  ///< as Session::run() throws; of this request alone
  };

  /// `session` must outlive it.
  Batcher(Session& session, BatcherOptions options);
  /// Answers everything first.
  ~Batcher();
  Batcher(const Batcher&) = delete;
  Batcher& operator=(const Batcher&) = delete;

  /// By any thread; returns at once. Requests of one pass have inputs of the same names and types;
  /// others begin the next one. `done` is called by the batcher's thread, in the order of the
  /// requests, and does not throw.
  void add(std::map<std::string, Array> inputs, std::function<void(Answer)> done);

  int64_t passes() const;  ///< so far

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace braid
