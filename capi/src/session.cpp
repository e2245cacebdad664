#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include <braid/runtime/session.h>
#include <braid/runtime/train.h>

#include "guarded.h"

struct braid_session {
  braid::Session session;
};

struct braid_bound {
  braid::Bound bound;
};

namespace braid::capi {
namespace {

static_assert(int(DType::f32) == BRAID_F32 && int(DType::f64) == BRAID_F64 &&
              int(DType::f16) == BRAID_F16 && int(DType::bf16) == BRAID_BF16 &&
              int(DType::i64) == BRAID_I64 && int(DType::i32) == BRAID_I32 &&
              int(DType::u8) == BRAID_U8 && int(DType::boolean) == BRAID_BOOL);

[[noreturn]] void refuse(std::string why) { throw Error(Fault::usage, "E0304", std::move(why)); }

// What the caller's structure has; what it is too short for keeps its default.
template <class T>
T taken(const T* given) {
  T own{};
  if (given) std::memcpy(&own, given, std::min(given->size, sizeof(T)));
  return own;
}

std::vector<std::string> split(const char* text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text ? text : "");
  for (std::string part; std::getline(in, part, by);) parts.push_back(part);
  return parts;
}

SessionOptions session_options(const braid_options& o) {
  return {.devices = split(o.devices, ','), .threads = o.threads, .concurrency = o.concurrency};
}

ReadOptions read_options(const braid_options& o) {
  ReadOptions read;
  for (auto& pair : split(o.set, ';')) {
    auto at = pair.find('=');
    if (at == std::string::npos) refuse("'" + pair + "' of `set` is not key=value");
    read.set.emplace_back(pair.substr(0, at), pair.substr(at + 1));
  }
  return read;
}

// Checked before anything is read: dtype, rank, dims, and that the bytes fit.
template <class V>
V view(const braid_tensor& t) {
  require(t.name, "name");
  require(t.data, "data");
  if (t.dtype < BRAID_F32 || t.dtype > BRAID_BOOL || t.rank < 0 || t.rank > BRAID_MAX_RANK)
    refuse(std::string("tensor '") + t.name + "' has no such dtype or rank");
  if (t.rank > 0) require(t.dims, "dims");
  using Byte = std::remove_reference_t<decltype(V{}.bytes[0])>;
  return {DType(t.dtype), std::vector<int64_t>(t.dims, t.dims + t.rank),
          std::span<Byte>(static_cast<Byte*>(t.data), t.bytes)};
}

template <class V>
std::map<std::string, V> views(const braid_tensor* tensors, int count) {
  std::map<std::string, V> all;
  if (count > 0) require(tensors, "tensors");
  for (int i = 0; i < count; ++i) {
    V one = view<V>(tensors[i]);
    if (!all.emplace(tensors[i].name, std::move(one)).second)
      refuse(std::string("tensor '") + tensors[i].name + "' is given twice");
  }
  return all;
}

std::map<std::string, Array> arrays(const braid_tensor* tensors, int count) {
  std::map<std::string, Array> all;
  for (auto& [name, v] : views<ConstView>(tensors, count))
    all[name] = {v.dtype, v.dims, {v.bytes.begin(), v.bytes.end()}};
  return all;
}

Bound bind(braid_session* session, const braid_tensor* inputs, int input_count,
           const braid_tensor* outputs, int output_count) {
  require(session, "session");
  if (output_count < 1) refuse("no output is wanted");
  return session->session.bind(views<ConstView>(inputs, input_count),
                               views<ArrayView>(outputs, output_count));
}

braid_progress progress(const TrainEvent& e) {
  return {.size = sizeof(braid_progress),
          .kind = int32_t(e.kind),
          .best = e.best,
          .step = e.step,
          .steps = e.steps,
          .epoch = e.epoch,
          .loss = e.loss,
          .rate = e.lr,
          .seconds = e.seconds,
          .samples_per_second = e.images_per_second,
          .text = e.text.c_str()};
}

TrainReport train(Session& session, const braid_train_options& o) {
  bool stop = false;
  TrainOptions options{.out = o.out ? o.out : "", .resume = o.resume != 0};
  if (o.steps > 0) options.steps = o.steps;
  if (o.seconds > 0) options.seconds = o.seconds;
  options.take_best = o.take_best != 0;
  options.stop = [&] { return stop; };
  if (o.on_progress)
    options.on_event = [&](const TrainEvent& event) {
      const braid_progress shown = progress(event);
      if (o.on_progress(&shown, o.user)) stop = true;
    };
  return braid::train(session, options);
}

}  // namespace
}  // namespace braid::capi

using namespace braid;
using namespace braid::capi;

int braid_open(const char* path, const braid_options* options, braid_session** session,
               braid_error** error) {
  return guarded(error, [&] {
    require(path, "path");
    require(session, "session");
    const auto o = taken(options);
    *session = new braid_session{Session::open(path, session_options(o), read_options(o))};
  });
}

int braid_parse(const char* text, size_t length, const char* name, const braid_options* options,
                braid_session** session, braid_error** error) {
  return guarded(error, [&] {
    require(text, "text");
    require(session, "session");
    const auto o = taken(options);
    *session = new braid_session{Session::parse({text, length}, name ? name : "network.yaml",
                                                session_options(o), read_options(o))};
  });
}

void braid_close(braid_session* session) { delete session; }

const char* braid_input_name(const braid_session* session, int i) {
  if (!session || i < 0 || size_t(i) >= session->session.model().inputs.size()) return nullptr;
  return session->session.model().inputs[size_t(i)].name.c_str();
}

const char* braid_output_name(const braid_session* session, int i) {
  if (!session || i < 0 || size_t(i) >= session->session.model().outputs.size()) return nullptr;
  return session->session.model().outputs[size_t(i)].name.c_str();
}

int braid_output_type(braid_session* session, const char* name, int64_t samples, int32_t* dtype,
                      int32_t* rank, int64_t* dims, braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    require(name, "name");
    const Type type = session->session.output_type(name);
    if (type.rank() > size_t(BRAID_MAX_RANK)) refuse("the output has more than 8 dimensions");
    if (dtype) *dtype = int32_t(type.dtype);
    if (rank) *rank = int32_t(type.rank());
    if (dims) std::ranges::copy(type.dims(samples), dims);
  });
}

int braid_run(braid_session* session, const braid_tensor* inputs, int input_count,
              const braid_tensor* outputs, int output_count, braid_error** error) {
  return guarded(error, [&] { bind(session, inputs, input_count, outputs, output_count).run(); });
}

int braid_bind(braid_session* session, const braid_tensor* inputs, int input_count,
               const braid_tensor* outputs, int output_count, braid_bound** bound,
               braid_error** error) {
  return guarded(error, [&] {
    require(bound, "bound");
    *bound = new braid_bound{bind(session, inputs, input_count, outputs, output_count)};
  });
}

int braid_bound_run(braid_bound* bound, braid_error** error) {
  return guarded(error, [&] {
    require(bound, "bound");
    bound->bound.run();
  });
}

void braid_bound_free(braid_bound* bound) { delete bound; }

int braid_step(braid_session* session, const braid_tensor* inputs, int input_count, double* loss,
               braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    const auto report = session->session.step(arrays(inputs, input_count));
    if (loss) *loss = report.loss;
  });
}

int braid_train(braid_session* session, const braid_train_options* options,
                braid_train_report* report, braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    const auto done = capi::train(session->session, taken(options));
    if (!report) return;
    const braid_train_report own{report->size, done.steps, done.stopped, done.loss, done.best_step};
    std::memcpy(report, &own, std::min(report->size, sizeof own));
  });
}

int braid_load_weights(braid_session* session, const char* path, braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    require(path, "path");
    session->session.load_weights(std::string(path));
  });
}

int braid_save_weights(braid_session* session, const char* path, braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    require(path, "path");
    session->session.save_weights(std::string(path));
  });
}

int braid_parse_weights(braid_session* session, const void* bytes, size_t size,
                        braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    require(bytes, "bytes");
    session->session.load_weights({static_cast<const std::byte*>(bytes), size});
  });
}

int braid_format_weights(braid_session* session, void** bytes, size_t* size, braid_error** error) {
  return guarded(error, [&] {
    require(session, "session");
    require(bytes, "bytes");
    require(size, "size");
    const auto all = session->session.save_weights();
    void* copy = std::malloc(all.size());
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy, all.data(), all.size());
    *bytes = copy;
    *size = all.size();
  });
}

void braid_free(void* bytes) { std::free(bytes); }
