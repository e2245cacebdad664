#include <braid/core/init.h>

#include <cmath>

#include <braid/core/error.h>
#include <braid/core/random.h>

namespace braid {
namespace {

int64_t receptive_field(const Shape& shape) {
  int64_t field = 1;
  for (size_t i = 2; i < shape.size(); ++i) field *= shape[i].value;
  return field;
}

const std::vector<std::string> laws = {
    "constant", "gaussian", "kaiming_normal", "kaiming_uniform", "normal",
    "ones",     "uniform",  "xavier_normal",  "xavier_uniform",  "zeros"};

double gain_of(const Dict& p) {
  auto name = get_text(p, "nonlinearity", "leaky_relu");
  if (name == "relu") return std::sqrt(2.0);
  if (name == "tanh") return 5.0 / 3;
  if (name == "linear" || name == "sigmoid") return 1;
  double a = get_double(p, "a", 0);
  return std::sqrt(2 / (1 + a * a));
}

void check_keys(const Dict& p, const std::string& law, std::vector<std::string> allowed) {
  for (auto& e : p) {
    bool known = false;
    for (auto& a : allowed) known |= a == e.key;
    if (!known)
      throw Error(
          Fault::model, "E0109",
          "init law '" + law + "' has no parameter '" + e.key + "'" + did_you_mean(e.key, allowed),
          e.mark)
          .help("it takes " + listed(allowed));
  }
}

Init named(const std::string& law, const Dict& p, const Shape& shape, const Mark& mark) {
  if (law == "zeros") return Init::constant(0);
  if (law == "ones") return Init::constant(1);
  if (law == "constant") {
    check_keys(p, law, {"val"});
    return Init::constant(get_double(p, "val", 0));
  }
  if (law == "uniform") {
    check_keys(p, law, {"a", "b"});
    return Init::uniform(get_double(p, "a", 0), get_double(p, "b", 1));
  }
  if (law == "normal") {
    check_keys(p, law, {"mean", "std"});
    return Init::normal(get_double(p, "mean", 0), get_double(p, "std", 1));
  }
  if (law == "gaussian") {
    check_keys(p, law, {"sigma"});
    std::vector<int64_t> kernel;
    for (size_t i = 2; i < shape.size(); ++i) kernel.push_back(shape[i].value);
    double sigma = get_double(p, "sigma", 1);
    if (kernel.empty() || !(sigma > 0))
      throw Error(
          Fault::model, "E0109",
          kernel.empty()
              ? "init law 'gaussian' is for kernels, not for a parameter of shape " +
                    to_string(shape)
              : "init law 'gaussian' has sigma " + shortest(sigma) + ", must be more than 0",
          mark);
    return Init::gaussian(sigma, std::move(kernel));
  }
  if (law.starts_with("kaiming")) {
    check_keys(p, law, {"a", "mode", "nonlinearity"});
    auto fan = double(get_text(p, "mode", "fan_in") == "fan_out" ? fan_out(shape) : fan_in(shape));
    double std = gain_of(p) / std::sqrt(fan), bound = std::sqrt(3.0) * std;
    return law == "kaiming_normal" ? Init::normal(0, std) : Init::uniform(-bound, bound);
  }
  if (law.starts_with("xavier")) {
    check_keys(p, law, {"gain"});
    double std = get_double(p, "gain", 1) * std::sqrt(2.0 / double(fan_in(shape) + fan_out(shape)));
    double bound = std::sqrt(3.0) * std;
    return law == "xavier_normal" ? Init::normal(0, std) : Init::uniform(-bound, bound);
  }
  std::string known;
  for (auto& name : laws) known += (known.empty() ? "" : ", ") + std::string(name);
  throw Error(Fault::model, "E0109", "unknown init law '" + law + "'" + did_you_mean(law, laws),
              mark)
      .help("there are " + known);
}

/// One kernel, row-major.
std::vector<double> bell(const Init& init) {
  std::vector<double> all = {1};
  for (int64_t size : init.kernel) {
    std::vector<double> next;
    for (double outer : all)
      for (int64_t i = 0; i < size; ++i) {
        double x = (double(i) - double(size - 1) / 2) / init.a;
        next.push_back(outer * std::exp(-x * x / 2));
      }
    all = std::move(next);
  }
  double sum = 0;
  for (double x : all) sum += x;
  for (double& x : all) x /= sum;
  return all;
}

template <class T>
void fill_with(const Init& init, uint64_t seed, std::string_view key, std::span<T> out) {
  if (init.law == Init::Law::constant) {
    for (T& x : out) x = T(init.a);
    return;
  }
  if (init.law == Init::Law::gaussian) {
    const auto kernel = bell(init);
    for (size_t i = 0; i < out.size(); ++i) out[i] = T(float(kernel[i % kernel.size()]));
    return;
  }
  ensure(init.law != Init::Law::file, "a file is read by the runtime");
  uint64_t stream = random_key(seed, 0, hash_text(key));
  for (size_t i = 0; i < out.size(); ++i) {
    double v = init.law == Init::Law::uniform ? init.a + (init.b - init.a) * uniform(stream, i)
                                              : init.a + init.b * normal(stream, i);
    out[i] = T(float(v));  // every engine starts from the same numbers
  }
}

}  // namespace

int64_t fan_in(const Shape& shape) {
  return shape.size() < 2 ? 1 : shape[1].value * receptive_field(shape);
}

int64_t fan_out(const Shape& shape) {
  return shape.empty() ? 1 : shape[0].value * receptive_field(shape);
}

Init kaiming_uniform(int64_t fan, double a) {
  double bound = std::sqrt(3.0 * (2 / (1 + a * a)) / double(fan));
  return Init::uniform(-bound, bound);
}

Init parse_init(const Attr& law, const Shape& shape) {
  if (law.is_number()) return Init::constant(law.as_double());
  if (law.is<std::string>()) return named(law.as_text(), {}, shape, law.mark);
  if (law.is<Dict>() && law.as_dict().size() == 1) {
    auto& entry = law.as_dict()[0];
    if (entry.value.is<Dict>()) return named(entry.key, entry.value.as_dict(), shape, entry.mark);
    if (entry.value.is_number() && entry.key == "constant")
      return Init::constant(entry.value.as_double());
    if (entry.value.is<std::string>() && entry.key == "npy")
      return Init::file(entry.value.as_text());
  }
  throw Error(Fault::model, "E0109",
              "init takes a number, a law's name, one law with parameters, or {npy: file}",
              law.mark)
      .help("for example {normal: {std: 0.02}}");
}

void fill(const Init& init, uint64_t seed, std::string_view key, std::span<float> out) {
  fill_with(init, seed, key, out);
}

void fill(const Init& init, uint64_t seed, std::string_view key, std::span<double> out) {
  fill_with(init, seed, key, out);
}

}  // namespace braid
