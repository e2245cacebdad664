// What a layer has to satisfy, as checks over its own samples. Each check returns what it found
// wrong, "" being all right, so that the suite can run them over every layer of a registry and also
// show that they catch layers that are broken on purpose.
//
//   for (const Case& c : cases(registry, {Role::layer}))
//     EXPECT_EQ(check_gradient(c), "");
#pragma once
#include <functional>
#include <ostream>
#include <set>

#include "conformance/layer_graph.h"

namespace braid::test {

struct Case {
  const Registry* registry;
  const LayerDef* def;
  size_t index;  ///< of the sample
  Freeze freeze = Freeze::none;

  const Sample& sample() const { return def->samples[index]; }
  LayerGraph graph(Mode mode) const { return {*registry, *def, sample(), mode, freeze}; }
  /// For the test's name.
  std::string name() const {
    return def->name + "_" + std::to_string(index) + (freeze == Freeze::stats ? "_frozen" : "");
  }
};

inline std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name() << (c.sample().note.empty() ? "" : ": ") << c.sample().note;
}

/// Every sample of every layer of these roles; layers with buffers also with frozen statistics.
inline std::vector<Case> cases(const Registry& registry, std::set<Role> roles) {
  std::vector<Case> found;
  for (Role role : roles)
    for (auto& name : registry.layers(role)) {
      const LayerDef* def = registry.layer(name);
      for (size_t i = 0; i < def->samples.size(); ++i) {
        Case c{&registry, def, i};
        found.push_back(c);
        if (role != Role::layer) continue;
        bool has_buffers = false;
        LayerGraph g = c.graph(Mode::train);
        for (auto& state : g->states) has_buffers |= state.kind == StateVar::Kind::buffer;
        c.freeze = Freeze::stats;
        if (has_buffers) found.push_back(c);
      }
    }
  return found;
}

/// All that a layer makes of its inputs, by name.
using Outcome = std::map<std::string, Numbers>;

inline double largest(const Numbers& numbers) {
  double most = 0;
  for (double v : numbers) most = std::max(most, std::abs(v));
  return most;
}

/// max|a - b| <= tolerance * max|b|, with a floor for tensors that are zero but for rounding.
inline std::string difference(const Numbers& a, const Numbers& b, double tolerance) {
  if (a.size() != b.size())
    return std::to_string(a.size()) + " elements instead of " + std::to_string(b.size());
  const double allowed = tolerance * std::max(largest(b), 0.05);
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= allowed))
      return "[" + std::to_string(i) + "] is " + shortest(a[i]) + " instead of " + shortest(b[i]);
  return {};
}

inline std::string difference(const Outcome& a, const Outcome& b, double tolerance) {
  for (auto& [what, numbers] : b)
    if (auto found = difference(a.at(what), numbers, tolerance); !found.empty())
      return what + found;
  return {};
}

/// "" when all numbers are the same, NaNs being equal to NaNs.
inline std::string same_bits(const Outcome& a, const Outcome& b) {
  for (auto& [what, numbers] : b)
    for (size_t i = 0; i < numbers.size(); ++i)
      if (std::memcmp(&a.at(what)[i], &numbers[i], sizeof(double)) != 0)
        return what + "[" + std::to_string(i) + "] is " + shortest(a.at(what)[i]) + " and " +
               shortest(numbers[i]);
  return {};
}

/// A layer with inputs drawn for it.
struct Experiment {
  Case c;
  LayerGraph g;
  int64_t batch;
  std::map<int, Numbers> drawn;

  Experiment(const Case& of, Mode mode, int64_t n = 5)
      : c(of), g(of.graph(mode)), batch(n), drawn(draw_inputs(g, n, of.sample())) {}

  const Value& value(int v) const { return g->values[size_t(v)]; }
  std::string name(int v) const {
    return value(v).state >= 0 ? g->states[size_t(value(v).state)].key
                               : g->inputs[size_t(value(v).input)].name;
  }

  Outcome run(InterpreterOptions options) const {
    options.batch = batch;
    Interpreter run(*g, *c.registry, std::move(options));
    run.start();
    for (auto& [v, numbers] : drawn) run.set(v, numbers);
    run.run();
    Outcome made;
    for (size_t i = 0; i < g.outputs.size(); ++i)
      made["output " + std::to_string(i)] = run.get(g.outputs[i]);
    for (auto& [v, gradient] : g.gradient_of) made["gradient of " + name(v)] = run.get(gradient);
    for (int v : g->state_values) made["after the step, " + name(v)] = run.get(v);
    return made;
  }
};

// ---- checks
// --------------------------------------------------------------------------------------

inline std::string check_kernels(const Case& c, Mode mode, int64_t batch) {
  Experiment e(c, mode, batch);
  return difference(e.run({}), e.run({.device = "reference"}), 2e-5);
}

/// 5 samples over 4 replicas are 2, 1, 1, 1; 3 samples leave one replica without any.
inline std::string check_replicas(const Case& c) {
  for (int64_t batch : {5, 3}) {
    Experiment e(c, Mode::train, batch);
    auto judge = e.run({.device = "reference"});
    for (int replicas : {2, 4}) {
      auto f32 = difference(e.run({.replicas = replicas}), judge, 2e-5);
      auto f64 = difference(e.run({.device = "reference", .replicas = replicas}), judge, 1e-11);
      if (!f32.empty() || !f64.empty())
        return "batch " + std::to_string(batch) + " over " + std::to_string(replicas) +
               " replicas: " + (f64.empty() ? f32 : f64);
    }
  }
  return {};
}

inline std::string check_repeatable(const Case& c) {
  Experiment e(c, Mode::train);
  auto first = e.run({});
  if (e.run({}) != first) return "two runs differ";
  return e.run({.in_place = true}) == first ? "" : "a kernel reads what it has written over";
}

inline std::string check_formats(const Case& c) {
  Experiment e(c, Mode::train);
  auto judge = e.run({.device = "reference"});
  for (const char* format : {"aBcd16b", "aBcd8b"}) {
    auto found = difference(e.run({.channels = format}), judge, 2e-5);
    if (!found.empty()) return std::string(format) + ": " + found;
  }
  return {};
}

/// The bits that a sample gets in evaluation must not depend on its company.
inline std::string check_company(const Case& c) {
  Experiment seven(c, Mode::eval, 7);
  auto whole = seven.run({});
  for (size_t at : {0, 4}) {
    Experiment one(c, Mode::eval, 1);
    for (auto& [v, numbers] : one.drawn)
      if (one.value(v).type.batched()) {
        auto first = seven.drawn.at(v).begin() + ptrdiff_t(at * numbers.size());
        numbers.assign(first, first + ptrdiff_t(numbers.size()));
      }
    auto alone = one.run({});
    for (size_t i = 0; i < one.g.outputs.size(); ++i) {
      if (!one.value(one.g.outputs[i]).type.batched()) continue;
      auto &mine = alone["output " + std::to_string(i)],
           &all = whole["output " + std::to_string(i)];
      for (size_t k = 0; k < mine.size(); ++k)
        if (mine[k] != all[at * mine.size() + k])
          return "output " + std::to_string(i) + "[" + std::to_string(k) + "] of sample " +
                 std::to_string(at) + " differs when it is alone";
    }
  }
  return {};
}

/// What losses and metrics return has no batch and adds up over batches: 3 samples and 4 are 7.
inline std::string check_totals(const Case& c) {
  Experiment seven(c, Mode::eval, 7);
  const Type type = seven.value(seven.g.outputs.at(0)).type;
  if (seven.g.outputs.size() != 1 || type.dtype != DType::f64 || type.batched())
    return "returns " + to_string(type) + " instead of f64 totals";
  const bool pair = type == Type{DType::f64, {2}};
  if (!pair && (c.def->role == Role::loss || !c.def->finish))
    return "returns " + to_string(type) + " instead of (sum, count)";
  Numbers parts(size_t(type.elements(0)));
  for (int64_t first : {0, 3}) {
    Experiment some(c, Mode::eval, first == 0 ? 3 : 4);
    for (auto& [v, numbers] : some.drawn) {
      auto from = seven.drawn.at(v).begin() + ptrdiff_t(numbers.size()) / some.batch * first;
      numbers.assign(from, from + ptrdiff_t(numbers.size()));
    }
    const Numbers made = some.run({}).at("output 0");
    for (size_t i = 0; i < parts.size(); ++i) parts[i] += made[i];
  }
  const Numbers whole = seven.run({}).at("output 0");
  if (auto found = difference(parts, whole, 1e-6); !found.empty())
    return "the sum of parts" + found;
  const double number = c.def->finish ? c.def->finish(whole) : whole[0] / whole[1];
  return std::isfinite(number) ? "" : "comes to " + shortest(number);
}

// ---- gradients against finite differences, in f64 -----------------------------------------------

/// The scalar whose gradient the layer's rule gives.
class Objective {
 public:
  explicit Objective(const Experiment& e)
      : e_(e), run_(*e.g, *e.c.registry, {.device = "reference", .batch = e.batch}) {}

  Numbers start_of(int v) {
    reset();
    return run_.get(v);
  }
  Numbers gradient(int v) {
    reset();
    run_.run();
    return run_.get(e_.g.gradient_of.at(v));
  }

  /// Along one direction from `at`: a single element, or all of them at once.
  double slope(int v, const Numbers& at, const Numbers& direction) {
    constexpr double h = 1e-6;
    Numbers up = at, down = at;
    for (size_t i = 0; i < at.size(); ++i) {
      up[i] += h * direction[i];
      down[i] -= h * direction[i];
    }
    return ((*this)(v, up) - (*this)(v, down)) / (2 * h);
  }

 private:
  void reset() {
    run_.start();
    for (auto& [v, numbers] : e_.drawn) run_.set(v, numbers);
  }

  double operator()(int v, const Numbers& moved) {
    reset();
    run_.set(v, moved);
    run_.run();
    if (e_.g.def.role == Role::loss) {
      auto pair = run_.get(e_.g.outputs[0]);
      return get_double(e_.g->calls[0].params, "factor", 1) * pair[0] / pair[1];
    }
    double sum = 0;
    for (size_t i = 0; i < e_.g.outputs.size(); ++i) {
      auto y = run_.get(e_.g.outputs[i]);
      auto& g = e_.drawn.at(e_.g.upstream[i]);
      for (size_t k = 0; k < y.size(); ++k) sum += y[k] * g[k];
    }
    return sum;
  }

  const Experiment& e_;
  Interpreter run_;
};

inline std::string check_slopes(Objective& objective, int v) {
  const Numbers at = objective.start_of(v), gradient = objective.gradient(v);
  if (at.size() != gradient.size()) return "has another size";
  const double allowed = 1e-5 * std::max(largest(gradient), 0.01);
  auto disagree = [&](const Numbers& direction, const std::string& where) -> std::string {
    double along = 0, length = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      along += direction[i] * gradient[i];
      length += std::abs(direction[i]);
    }
    const double slope = objective.slope(v, at, direction);
    if (std::abs(along - slope) <= allowed * std::sqrt(length)) return {};
    return where + " is " + shortest(along) + ", finite differences give " + shortest(slope);
  };
  for (uint64_t k = 0; k < 12; ++k) {  // some elements ...
    Numbers direction(at.size());
    const size_t i = size_t(uniform_below(17, k, at.size()));
    direction[i] = 1;
    if (auto bad = disagree(direction, "[" + std::to_string(i) + "]"); !bad.empty()) return bad;
  }
  for (uint64_t k = 0; k < 3; ++k) {  // ... and all of them together
    Numbers direction(at.size());
    for (size_t i = 0; i < at.size(); ++i) direction[i] = normal(23 + k, i);
    if (auto bad = disagree(direction, " along a line"); !bad.empty()) return bad;
  }
  return {};
}

/// False where only an input's shape counts: it is not differentiated.
inline bool reads(const Graph& graph, int v) {
  return std::ranges::any_of(graph.nodes,
                             [&](const Node& node) { return std::ranges::count(node.in, v) > 0; });
}

inline std::string check_gradient(const Case& c) {
  Experiment e(c, Mode::train);
  Objective objective(e);
  for (int v : e.g.inputs)
    if (is_floating(e.value(v).type.dtype) && reads(*e.g, v) && !e.g.gradient_of.contains(v))
      return "no gradient for " + e.name(v);
  for (auto& [v, gradient] : e.g.gradient_of) {
    const std::string what = "gradient of " + e.name(v);
    if (to_string(e.value(gradient).type) != to_string(e.value(v).type))
      return what + " is " + to_string(e.value(gradient).type);
    if (!c.sample().smooth) continue;
    if (auto bad = check_slopes(objective, v); !bad.empty()) return what + bad;
  }
  return {};
}

// ---- optimizers
// ----------------------------------------------------------------------------------

/// A weight and the operations that update it.
struct UpdateGraph {
  Graph graph;
  Dict params;
  int weight, gradient;

  explicit UpdateGraph(const Case& c) {
    Builder b(graph, *c.registry, Mode::train);
    graph.calls.push_back({.path = "fc", .owner = "fc"});
    b.enter(0);
    const Type& type = c.sample().inputs.at(0);
    weight = b.param("weight", type.shape, Init::normal(0, 1));
    graph.inputs.push_back({"gradient", type});
    gradient = b.input(0, 0);
    Diagnostics found;
    params = check_params(c.def->params, c.sample().params, c.def->name, {}, found);
    found.raise();
    c.def->update(b, params, weight, gradient);
  }
};

/// The weight and its optimizer state after three steps, each with a gradient of its own.
inline Outcome updated(const Case& c, InterpreterOptions options) {
  UpdateGraph u(c);
  std::map<int, Numbers> state;
  for (int step = 0; step < 3; ++step) {
    options.scalars = {.lr = get_double(u.params, "lr"), .step = step, .seed = 11};
    Interpreter run(u.graph, *c.registry, options);
    run.start();
    for (auto& [v, numbers] : state) run.set(v, numbers);
    run.set(u.gradient, draw(c.sample().inputs[0], 0, 0, uint64_t(step) + 1));
    if (step == 0) state[u.weight] = run.get(u.weight);
    const Numbers before = state.at(u.weight);
    run.run();
    for (int v : u.graph.state_values) state[v] = run.get(v);
    if (state.at(u.weight) == before) throw std::runtime_error("the weight did not move");
  }
  Outcome made;
  for (size_t i = 0; i < u.graph.states.size(); ++i)
    made[u.graph.states[i].key] = state.at(u.graph.state_values[i]);
  return made;
}

inline std::string check_update(const Case& c) {
  return difference(updated(c, {}), updated(c, {.device = "reference"}), 2e-6);
}

}  // namespace braid::test
