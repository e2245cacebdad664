// Runs one operation straight through its offer, without a graph: on the CPU in the formats that
// the kernel asks for, or in f64 on the device "reference".
//
//   Rig rig;
//   auto y = rig.run({"conv2d", attrs, {x, w}});   // f32
//   auto judge = rig.run({"conv2d", attrs, {x, w}}, "reference");
//   EXPECT_LE(distance(y[0], judge[0]), 1e-6);
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <braid/core/random.h>
#include <braid/core/registry.h>
#include <braid/nodes/builtin.h>

namespace braid::test::onednn {

/// A plain tensor of f64 (whatever the dtype that kernels see), for comparing.
struct Plain {
  std::vector<int64_t> dims;
  std::vector<double> values;
};

/// Memory of one operand, at a multiple of 64 plus `skew` bytes.
class Memory {
 public:
  Memory(const Operand& operand, size_t skew = 0)
      : operand_(operand), storage_(size_t(operand.bytes()) + 128 + skew, std::byte{0xa5}) {
    auto address = reinterpret_cast<uintptr_t>(storage_.data());
    offset_ = (64 - address % 64) % 64 + skew;
  }
  Memory(Memory&&) = default;
  Memory& operator=(Memory&&) = default;

  const Operand& operand() const { return operand_; }
  void* data() { return storage_.data() + offset_; }

  void fill(const std::vector<double>& values) {
    for (size_t i = 0; i < values.size(); ++i) put(i, values[i]);
  }
  Plain plain() {
    Plain p{operand_.dims, {}};
    for (int64_t i = 0; i < operand_.elements(); ++i) p.values.push_back(get(size_t(i)));
    return p;
  }

 private:
  void put(size_t i, double v) {
    if (operand_.dtype == DType::f64) static_cast<double*>(data())[i] = v;
    if (operand_.dtype == DType::f32) static_cast<float*>(data())[i] = float(v);
    if (operand_.dtype == DType::u8) static_cast<uint8_t*>(data())[i] = uint8_t(v);
    if (operand_.dtype == DType::i32) static_cast<int32_t*>(data())[i] = int32_t(v);
  }
  double get(size_t i) {
    if (operand_.dtype == DType::f64) return static_cast<double*>(data())[i];
    if (operand_.dtype == DType::f32) return static_cast<float*>(data())[i];
    if (operand_.dtype == DType::u8) return static_cast<uint8_t*>(data())[i];
    return static_cast<int32_t*>(data())[i];
  }

  Operand operand_;
  std::vector<std::byte> storage_;
  size_t offset_;
};

/// An operation and what it is given.
struct Ask {
  std::string op;
  Dict attrs;
  std::vector<Plain> in;
  std::map<int, DType> dtypes = {};  ///< of inputs that are not floating
  std::vector<Format> formats = {};  ///< that the first inputs have on the CPU
};

/// f32 values in [-1, 1), the same on every call.
inline Plain random(std::vector<int64_t> dims, uint64_t key = 1) {
  Plain p{std::move(dims), {}};
  int64_t n = 1;
  for (auto d : p.dims) n *= d;
  for (int64_t i = 0; i < n; ++i) p.values.push_back(float(2 * uniform(key, uint64_t(i)) - 1));
  return p;
}

/// max |a - b| / max |b|.
inline double distance(const Plain& a, const Plain& b) {
  EXPECT_EQ(a.dims, b.dims);
  double difference = 0, size = 1e-30;
  for (size_t i = 0; i < a.values.size() && i < b.values.size(); ++i) {
    difference = std::max(difference, std::abs(a.values[i] - b.values[i]));
    if (!(std::abs(a.values[i]) < 1e300)) return 1e300;
    size = std::max(size, std::abs(b.values[i]));
  }
  return difference / size;
}

/// Bits, not values: -0 and 0 differ.
inline bool same_bits(const Plain& a, const Plain& b) {
  return a.dims == b.dims && a.values.size() == b.values.size() &&
         std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(double)) == 0;
}

class Rig {
 public:
  Rig() { register_builtin(registry); }

  Signature question(const Ask& ask, const std::string& device = "cpu") const {
    DType real = device == "reference" ? DType::f64 : DType::f32;
    std::vector<Type> types;
    Signature s{.op = ask.op, .attrs = ask.attrs};
    for (size_t i = 0; i < ask.in.size(); ++i) {
      auto known = ask.dtypes.find(int(i));
      DType dtype = known == ask.dtypes.end() ? real : known->second;
      types.push_back({dtype, Shape(ask.in[i].dims.begin(), ask.in[i].dims.end())});
      s.in.push_back({dtype, ask.in[i].dims});
      if (device == "cpu" && i < ask.formats.size()) s.in.back().format = ask.formats[i];
    }
    for (auto& type : registry.op(ask.op)->infer(ask.attrs, types))
      s.out.push_back({type.dtype, type.dims(0)});
    return s;
  }

  /// The signature in the formats that the kernel asks for; asked again it must stand by them.
  Signature settled(Signature s, const DeviceTraits& traits = {}) const {
    auto offer = registry.offer(s, traits);
    if (!offer) throw std::runtime_error("no offer for " + s.op);
    for (size_t i = 0; i < s.in.size(); ++i) s.in[i].format = offer->in_formats.at(i);
    for (size_t i = 0; i < s.out.size(); ++i) s.out[i].format = offer->out_formats.at(i);
    auto again = registry.offer(s, traits);
    EXPECT_TRUE(again) << s.op;
    EXPECT_EQ(again->in_formats, offer->in_formats) << s.op;
    EXPECT_EQ(again->out_formats, offer->out_formats) << s.op;
    EXPECT_EQ(again->impl, offer->impl) << s.op;
    return s;
  }

  std::vector<Plain> run(const Ask& ask, const std::string& device = "cpu", size_t skew = 0) const {
    DeviceTraits traits{.kind = device};
    Signature s = settled(question(ask, device), traits);
    auto offer = registry.offer(s, traits);
    std::vector<Memory> in, out;
    for (size_t i = 0; i < s.in.size(); ++i) in.push_back(laid_out(s.in[i], ask.in[i], skew));
    for (auto& operand : s.out) out.emplace_back(operand, skew);
    execute(*offer, in, out);
    std::vector<Plain> results;
    for (auto& memory : out) results.push_back(plain_of(memory));
    return results;
  }

  static void execute(const Offer& offer, std::vector<Memory>& in, std::vector<Memory>& out) {
    execute(offer.bind(), offer.workspace, in, out);
  }

  static void execute(const KernelBody& body, int64_t workspace_bytes, std::vector<Memory>& in,
                      std::vector<Memory>& out) {
    std::vector<void*> inputs, outputs;
    for (auto& m : in) inputs.push_back(m.data());
    for (auto& m : out) outputs.push_back(m.data());
    Memory workspace({DType::u8, {workspace_bytes}});
    Scalars scalars;
    body({inputs.data(), outputs.data(), workspace.data(), &scalars, 0});
  }

  /// `values` in the operand's format.
  Memory laid_out(const Operand& operand, const Plain& values, size_t skew = 0) const {
    Operand plain = operand;
    plain.format.clear();
    std::vector<Memory> from, to;
    from.emplace_back(plain, skew);
    from[0].fill(values.values);
    if (operand.format.empty()) return std::move(from[0]);
    to.emplace_back(operand, skew);
    execute(*registry.offer({"reorder", {}, {plain}, {operand}}, {}), from, to);
    return std::move(to[0]);
  }

  Plain plain_of(Memory& memory) const {
    if (memory.operand().format.empty()) return memory.plain();
    Operand plain = memory.operand();
    plain.format.clear();
    std::vector<Memory> from, to;
    from.push_back(std::move(memory));
    to.emplace_back(plain);
    execute(*registry.offer({"reorder", {}, {from[0].operand()}, {plain}}, {}), from, to);
    memory = std::move(from[0]);
    return to[0].plain();
  }

  Registry registry;
};

}  // namespace braid::test::onednn
