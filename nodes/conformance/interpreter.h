// Runs a logical Graph node by node, replica by replica, with the kernels of one kind of device.
// It shares nothing with the compiler and the runtime but the contracts of core, and so can judge
// both: what they make of a graph must agree with this.
//
//   Interpreter run(graph, registry, {.device = "reference", .batch = 5, .replicas = 2});
//   run.start();                 // State from its initialisation laws
//   run.set(x, numbers);         // the whole batch, row-major
//   run.run();
//   run.get(y);                  // slices joined, partial results merged
#pragma once
#include <bit>
#include <map>
#include <span>

#include <braid/core/init.h>
#include <braid/core/registry.h>

#include "conformance/tensor.h"

namespace braid::test {

/// An operation on one slice.
struct SliceCall {
  std::vector<TensorPtr> in = {}, out = {};
  int64_t samples = 0, first_sample = 0;
};

/// Runs an operation on the slices of several replicas, in plain formats.
using OperationRunner =
    std::function<void(const Node& node, std::span<SliceCall> calls, const Scalars& scalars)>;

struct InterpreterOptions {
  std::string device = "cpu";
  int64_t batch = 5;
  int replicas = 1;
  Scalars scalars = {.lr = 0.1, .step = 3, .seed = 11};
  bool in_place = false;  ///< results take over the memory of inputs wherever the offer allows it
  std::string channels = {};    ///< memory format that inputs [N, C, H, W] come in; "" = plain
  OperationRunner runner = {};  ///< instead of the kernels of `device`
};

class Interpreter {
 public:
  Interpreter(const Graph& graph, const Registry& registry, InterpreterOptions options)
      : graph_(graph),
        registry_(registry),
        options_(std::move(options)),
        values_(graph.values.size()) {
    const int64_t each = options_.batch / options_.replicas;
    const int64_t more = options_.batch % options_.replicas;
    for (int64_t r = 0, row = 0; r < options_.replicas; ++r) {
      slices_.push_back({row, each + (r < more)});
      row += slices_.back().samples;
    }
  }

  /// State as its initialisation laws say.
  void start() {
    for (size_t i = 0; i < graph_.states.size(); ++i) {
      const StateVar& var = graph_.states[i];
      Numbers numbers(size_t(var.type.elements(0)));
      if (var.type.dtype == DType::f32) {
        std::vector<float> floats(numbers.size());
        fill(var.init, options_.scalars.seed, var.key, floats);
        numbers.assign(floats.begin(), floats.end());
      } else {
        fill(var.init, options_.scalars.seed, var.key, numbers);
      }
      set(graph_.state_values[i], numbers);
    }
  }

  /// An input (the whole batch) or a variable.
  void set(int v, const Numbers& numbers) {
    const Type& type = graph_.values[size_t(v)].type;
    Parts& parts = values_[size_t(v)];
    if (!type.batched()) {
      parts.assign(slices_.size(), make(type, 0));
      parts[0]->assign(numbers);
      return;
    }
    parts.assign(slices_.size(), nullptr);
    for (size_t r = 0; r < slices_.size(); ++r) {
      if (slices_[r].samples == 0) continue;
      auto plain = make(type, slices_[r].samples);
      plain->assign(numbers, size_t(type.elements(slices_[r].first)));
      const bool image = type.rank() == 4 && type.dtype == DType::f32;
      parts[r] = image ? in_format(plain, options_.channels) : plain;
    }
  }

  void run() {
    merged_.clear();
    for (size_t i = 0; i < graph_.nodes.size(); ++i) step(int(i));
  }

  /// All of it, row-major: slices joined, partial results merged, one of equal copies.
  Numbers get(int v) {
    const Value& value = graph_.values[size_t(v)];
    if (value.layout.kind == Layout::Kind::partial) return numbers(merged(v, 0)[0]);
    if (value.layout.kind == Layout::Kind::copy) return numbers(values_[size_t(v)].at(0));
    Numbers all;
    for (auto& part : values_[size_t(v)]) {
      if (!part) continue;
      auto some = numbers(part);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

 private:
  struct Slice {
    int64_t first, samples;
  };
  struct Bound {
    Signature signature;
    Offer offer;
    KernelBody body;
  };
  /// One tensor for each replica; null where the slice is empty.
  using Parts = std::vector<TensorPtr>;

  Operand operand(const Type& type, int64_t samples) const {
    bool judged = options_.device == "reference" && type.dtype == DType::f32;
    return {judged ? DType::f64 : type.dtype, type.dims(samples)};
  }
  TensorPtr make(const Type& type, int64_t samples) const {
    return std::make_shared<Tensor>(operand(type, samples));
  }

  void step(int id) {
    const Node& node = graph_.nodes[size_t(id)];
    std::vector<Parts> in;
    for (size_t i = 0; i < node.in.size(); ++i) in.push_back(wanted(node, i));
    for (int v : node.out) values_[size_t(v)].assign(slices_.size(), nullptr);
    const bool common =
        std::ranges::all_of(node.wants, [](const Layout& l) { return l == Layout::copy(); });
    std::vector<size_t> replicas;
    std::vector<SliceCall> calls;
    for (size_t r = 0; r < (common ? 1 : slices_.size()); ++r) {
      SliceCall c{.samples = slices_[r].samples, .first_sample = slices_[r].first};
      for (auto& parts : in) c.in.push_back(parts[r]);
      if (std::ranges::count(c.in, nullptr)) continue;
      replicas.push_back(r);
      calls.push_back(std::move(c));
    }
    call(node, id, replicas, calls);
    for (size_t i = 0; i < calls.size(); ++i)
      for (size_t k = 0; k < node.out.size(); ++k)
        values_[size_t(node.out[k])][replicas[i]] = calls[i].out[k];
    if (common)
      for (int v : node.out) values_[size_t(v)].assign(slices_.size(), values_[size_t(v)][0]);
  }

  Parts wanted(const Node& node, size_t i) {
    const bool partial = graph_.values[size_t(node.in[i])].layout.kind == Layout::Kind::partial;
    const bool copy = node.wants[i].kind == Layout::Kind::copy;
    return partial && copy ? merged(node.in[i], node.wants[i].group) : values_[size_t(node.in[i])];
  }

  /// The value merged over aligned blocks of `group` replicas (0 = all).
  Parts merged(int v, int group) {
    auto [entry, fresh] = merged_.try_emplace({v, group});
    if (!fresh) return entry->second;
    const int all = options_.replicas, size = group ? group : all;
    Parts parts(slices_.size());
    for (int lo = 0; lo < all; lo += size) {
      auto whole = tree(v, lo, lo + size);
      for (int r = lo; r < lo + size; ++r) parts[size_t(r)] = whole;
    }
    return merged_[{v, group}] = parts;
  }

  /// merge(left, right), the left side being the largest power of two below; empty leaves skipped.
  TensorPtr tree(int v, int lo, int hi) {
    if (hi - lo == 1) return values_[size_t(v)][size_t(lo)];
    const int middle = lo + int(std::bit_floor(unsigned(hi - lo - 1)));
    auto left = tree(v, lo, middle), right = tree(v, middle, hi);
    if (!left || !right) return left ? left : right;
    Node merge{.op = registry_.op("merge_" + graph_.values[size_t(v)].layout.merge), .out = {v}};
    if (!merge.op) throw std::runtime_error("a merge has no operation");
    std::vector<SliceCall> calls(1);
    calls[0].in = {left, right};
    call(merge, -1 - v, {size_t(lo * 1000 + hi)}, calls);
    return calls[0].out[0];
  }

  /// `keys` tell the calls of a node apart.
  void call(const Node& node, int id, const std::vector<size_t>& keys,
            std::vector<SliceCall>& calls) {
    if (options_.runner) return run_elsewhere(node, calls);
    for (size_t i = 0; i < calls.size(); ++i) call(node, {id, int(keys[i])}, calls[i]);
  }

  void run_elsewhere(const Node& node, std::vector<SliceCall>& calls) {
    for (auto& c : calls) {
      for (int v : node.out) c.out.push_back(make(graph_.values[size_t(v)].type, c.samples));
      if (options_.in_place) share(node, c);
    }
    if (!calls.empty()) options_.runner(node, calls, options_.scalars);
    for (auto& c : calls)
      for (auto* tensors : {&c.in, &c.out})
        for (auto& t : *tensors)
          if (!t->intact()) throw std::runtime_error(node.op->name + " wrote outside its operands");
  }

  /// Lets the output have the memory of the input that the offer names.
  void share(const Node& node, SliceCall& c) const {
    Signature s{.op = node.op->name, .attrs = node.attrs};
    for (auto& t : c.in) s.in.push_back(t->operand);
    for (auto& t : c.out) s.out.push_back(t->operand);
    auto offer = registry_.offer(s, {.kind = options_.device});
    if (!offer || offer->alias < 0) return;
    c.out[0]->copy_from(*c.in[size_t(offer->alias)]);
    c.in[size_t(offer->alias)] = c.out[0];
  }

  void call(const Node& node, std::pair<int, int> key, SliceCall& c) {
    auto entry = bound_.find(key);
    if (entry == bound_.end()) entry = bound_.emplace(key, bind(node, c.in, c.samples)).first;
    const Bound& b = entry->second;
    auto& in = c.in;
    for (size_t i = 0; i < in.size(); ++i) {
      if (in[i]->operand.format == b.offer.in_formats.at(i)) continue;
      if (std::ranges::count(node.op->writes, int(i)))
        throw std::runtime_error(node.op->name + " writes State in another format than plain");
      in[i] = in_format(in[i], b.offer.in_formats[i]);
    }
    auto& out = c.out;
    for (size_t k = 0; k < node.out.size(); ++k) {
      Operand o = b.signature.out[k];
      o.format = b.offer.out_formats.at(k);
      out.push_back(std::make_shared<Tensor>(std::move(o)));
    }
    if (options_.in_place && b.offer.alias >= 0) {
      out[0]->copy_from(*in[size_t(b.offer.alias)]);
      in[size_t(b.offer.alias)] = out[0];
    }
    invoke(b, in, out, c.first_sample);
    for (auto& t : out)
      if (!padding_is_zero(t)) throw std::runtime_error(node.op->name + " fills the padding");
  }

  void invoke(const Bound& b, const std::vector<TensorPtr>& in, const std::vector<TensorPtr>& out,
              int64_t first_sample) const {
    Tensor workspace({DType::u8, {b.offer.workspace}});
    std::vector<void*> inputs, outputs;
    for (auto& t : in) inputs.push_back(t->data());
    for (auto& t : out) outputs.push_back(t->data());
    b.body({.inputs = inputs.data(),
            .outputs = outputs.data(),
            .workspace = workspace.data(),
            .scalars = &options_.scalars,
            .first_sample = first_sample});
    bool intact = workspace.intact();
    for (auto* tensors : {&in, &out})
      for (auto& t : *tensors) intact &= t->intact();
    if (!intact) throw std::runtime_error(b.signature.op + " wrote outside its operands");
  }

  Bound bind(const Node& node, const std::vector<TensorPtr>& in, int64_t samples) const {
    Signature s{.op = node.op->name, .attrs = node.attrs};
    for (auto& t : in) s.in.push_back(t->operand);
    for (int v : node.out) s.out.push_back(operand(graph_.values[size_t(v)].type, samples));
    auto offer = registry_.offer(s, {.kind = options_.device});
    if (!offer) throw std::runtime_error("no " + options_.device + " kernel offers " + s.op);
    return {std::move(s), *offer, offer->bind()};
  }

  TensorPtr in_format(const TensorPtr& t, const Format& format) const {
    if (t->operand.format == format) return t;
    Operand to = t->operand;
    to.format = format;
    auto out = std::make_shared<Tensor>(to);
    Signature s{.op = "reorder", .in = {t->operand}, .out = {to}};
    auto offer = registry_.offer(s, {.kind = options_.device});
    if (!offer) throw std::runtime_error("nothing reorders into " + format);
    invoke({s, *offer, offer->bind()}, {t}, {out}, 0);
    return out;
  }

  /// There and back again through plain memory, which has no padding to bring back.
  bool padding_is_zero(const TensorPtr& t) const {
    if (t->operand.storage() == t->operand.elements()) return true;
    auto clean = in_format(in_format(t, {}), t->operand.format);
    return std::memcmp(clean->data(), t->data(), t->bytes()) == 0;
  }

  Numbers numbers(const TensorPtr& t) const { return in_format(t, {})->numbers(); }

  const Graph& graph_;
  const Registry& registry_;
  InterpreterOptions options_;
  std::vector<Slice> slices_;
  std::vector<Parts> values_;
  std::map<std::pair<int, int>, Parts> merged_;
  std::map<std::pair<int, int>, Bound> bound_;
};

}  // namespace braid::test
