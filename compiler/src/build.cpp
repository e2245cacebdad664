// Layers to operations. forward() walks the model once per micro-batch; differentiate() walks the
// calls backwards; optimize() adds the updates.
#include "build.h"

#include <algorithm>
#include <set>

#include <braid/core/glob.h>

#include "hooks.h"
#include "parameter_rules.h"
#include "recompute.h"

namespace braid {
namespace {

// What was meant; else all names where they are few, else where to find them.
std::string help_for_unknown(const std::string& typed, const std::vector<std::string>& names) {
  if (auto name = meant(typed, names); !name.empty()) return "write type: " + name;
  std::string called = typed.substr(0, typed.find('('));  // Conv2d(3, 64)
  if (called.size() < typed.size() && !meant(called, names).empty())
    return "parameters stand by name beside `type`: {type: " + meant(called, names) + ", ...}";
  if (names.size() > 8) return "`braid layers` lists all types that this build knows";
  std::string list = "this build has";
  for (auto& name : names) list += (&name == names.data() ? " " : ", ") + name;
  return list;
}

std::vector<std::string> port_names(const std::vector<PortDef>& ports) {
  std::vector<std::string> names;
  for (auto& port : ports) names.push_back(port.name);
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  std::string list;
  for (auto& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

class Forward {
 public:
  Forward(const Model& model, Builder& builder, const CompileOptions& options, Diagnostics& found)
      : model_(model), b_(builder), options_(options), found_(found), rules_(model) {
    b_.on_parameter([this](const Call& call, const std::string& name, StateVar& var) {
      rules_.apply(call, name, var);
    });
    b_.graph().inputs = model.inputs;
    b_.graph().micros = is_step() && b_.training() ? int(model.batch.accumulate) : 1;
    item_call_.assign(model.layers.size(), -1);
    own_ports_.resize(model.layers.size());
    if (!options.disabled.contains("recompute")) segments_ = segments_of(model);
    for (auto& tie : model.ties) b_.tie(tie.key, tie.to);
    if (!model.update.empty())
      b_.train_only([&](const std::string& key) {
        return std::ranges::any_of(model_.update, [&](auto& p) { return glob(p, key); });
      });
  }

  void run() {
    for (int micro = 0; micro < b_.graph().micros; ++micro) {
      inputs_.clear();
      for (size_t i = 0; i < model_.inputs.size(); ++i) inputs_.push_back(input(int(i), micro));
      outs_.assign(model_.layers.size(), {});
      for (size_t i = 0; i < model_.layers.size(); ++i) layer(int(i), micro);
      for (auto& term : model_.losses) this->term(term, Role::loss, Result::Kind::loss, micro);
      for (auto& term : model_.metrics) this->term(term, Role::metric, Result::Kind::metric, micro);
      outputs();
    }
    b_.enter(-1);
    if (!found_.has_errors() && model_.update.empty()) ties();
    b_.on_parameter({});
    // What a mode, a fold or another phase has left out is missing by intention.
    if (b_.training() && model_.eval_only.empty() && model_.update.empty()) check_rules();
  }

  std::vector<int>& item_calls() { return item_call_; }

 private:
  bool is_step() const { return options_.goal == Goal::step; }

  void check_rules() {
    std::vector<bool> built;
    for (int call : item_call_) built.push_back(call >= 0);
    const bool whole = !found_.has_errors();
    rules_.check_laws(built, found_);
    if (whole) rules_.check_patterns(found_);
  }

  int input(int index, int micro) {
    int v = b_.input(index, micro);
    if (options_.goal == Goal::backward)
      b_.graph().values[size_t(v)].needs_gradient = is_floating(b_.type(v).dtype);
    return v;
  }

  bool wanted(const std::string& name, bool by_default) const {
    if (options_.wanted.empty()) return by_default;
    return std::ranges::find(options_.wanted, name) != options_.wanted.end();
  }

  // The value behind a link, or -1 when the layer behind it failed.
  int value_of(const Link& link) {
    if (link.kind == Link::Kind::input) return inputs_.at(size_t(link.index));
    auto& outs = outs_.at(size_t(link.index));
    if (outs.empty()) return -1;
    if (link.port.empty()) return outs[0];
    const LayerDef* def = b_.registry().layer(model_.layers[size_t(link.index)].type);
    auto& own = own_ports_[size_t(link.index)];
    auto& outputs = own ? own->outputs : def->outputs;
    for (size_t i = 0; i < outputs.size() && i < outs.size(); ++i)
      if (outputs[i].name == link.port) return outs[i];
    std::vector<std::string> names = port_names(outputs);
    found_
        .error("E0242", link.mark,
               "layer '" + model_.layers[size_t(link.index)].path + "' (" + def->name +
                   ") has no output '" + link.port + "'" + did_you_mean(link.port, names))
        .help("its outputs: " + listed(names));
    return -1;
  }

  const LayerDef* find_def(const std::string& type, Role role, Mark mark, const char* what) {
    const LayerDef* def = b_.registry().layer(type);
    if (def && def->role == role) return def;
    auto names = b_.registry().layers(role);
    auto& d = found_.error(
        "E0103", mark,
        "unknown " + std::string(what) + " '" + type + "'" + did_you_mean(type, names));
    if (def)
      d.help("'" + type + "' is not a " + what);
    else
      d.help(help_for_unknown(type, names));
    return nullptr;
  }

  // Inputs in the order of the call's ports; false when something is wrong or missing.
  bool connect(Call& call, const std::vector<Link>& from, const std::string& who,
               bool target_is_constant = false) {
    const LayerDef& def = *call.def;
    auto& inputs = inputs_of(call);
    std::vector<std::string> names = port_names(inputs);
    bool variadic = !inputs.empty() && inputs.back().variadic;
    bool good = true;
    std::vector<int> ports(variadic ? std::max(from.size(), inputs.size()) : inputs.size(), -2);
    size_t next = 0;
    for (auto& link : from) {
      size_t port = next++;
      if (!link.into.empty()) {
        auto at = std::ranges::find(names, link.into);
        port = size_t(at - names.begin());
        if (at == names.end()) {
          found_
              .error("E0242", link.mark,
                     who + ": " + def.name + " has no input '" + link.into + "'" +
                         did_you_mean(link.into, names))
              .help("its inputs: " + listed(names));
          good = false;
          continue;
        }
      }
      if (port >= ports.size()) {
        found_
            .error("E0241", link.mark ? link.mark : call.mark,
                   who + ": " + def.name + " takes " + std::to_string(inputs.size()) +
                       (inputs.size() == 1 ? " input" : " inputs") + ", given " +
                       std::to_string(from.size()))
            .help(inputs.size() == 1 && !call.ports
                      ? "join them first: Concat puts them side by side, Add sums them up"
                      : "its inputs: " + listed(names));
        return false;
      }
      ports[port] = value_of(link);
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i] == -1) good = false;  // reported where it failed
      if (ports[i] == -2 && i == 1 && target_is_constant) continue;
      if (ports[i] == -2) {
        // After a misspelt port the one that was meant stays open: one error, not two.
        if (good && i < inputs.size() && !inputs[i].optional) {
          found_
              .error(
                  "E0241", call.mark,
                  who + ": the input '" + inputs[i].name + "' of " + def.name + " is not connected")
              .help("its inputs: " + listed(names) + "; name them with `from:`");
          good = false;
        }
        continue;
      }
      call.in.push_back(ports[i]);
    }
    return good;
  }

  // What a layer's ports are where its parameters say so; of a second call those of the first.
  bool find_ports(Call& call, const LayerItem& item, const std::string& who) {
    if (!call.def->ports) return true;
    auto& typed = item.share >= 0 ? model_.layers[size_t(item.share)] : item;
    try {
      call.ports = std::make_shared<const Ports>(call.def->ports(who, typed.params));
    } catch (const Error& e) {
      found_.add(e);
      return false;
    }
    own_ports_[size_t(call.item)] = call.ports;
    return true;
  }

  void layer(int index, int micro) {
    auto& item = model_.layers[size_t(index)];
    if (item.idle) return;
    std::string who = "layer '" + item.path + "'";
    const LayerDef* def =
        find_def(item.type, Role::layer, item.type_mark ? item.type_mark : item.mark, "layer type");
    Call call{.def = def,
              .path = item.path,
              .owner = item.path,
              .item = index,
              .micro = micro,
              .mark = item.mark};
    if (!def) return;
    if (!find_ports(call, item, who) || !connect(call, item.from, who)) return;
    if (!item.when.empty() && call.in.empty()) {
      found_
          .error("E0241", item.mark,
                 who + ": in the other mode `when` hands on the first input, and " + def->name +
                     " has none")
          .help("take `when` out, and give it to the layer that uses '" + item.path + "'");
      return;
    }
    if (!item.when.empty() && (item.when == "train") != b_.training()) {
      outs_[size_t(index)] = {call.in.at(0)};
      return;
    }
    const LayerItem* first = item.share >= 0 ? &model_.layers[size_t(item.share)] : nullptr;
    if (first && !first->idle) {
      int of = item_call_[size_t(item.share)];
      if (of < 0) return;
      call.owner = b_.graph().calls[size_t(of)].owner;
      call.params = b_.graph().calls[size_t(of)].params;
    } else {
      size_t before = found_.errors();
      if (first) call.owner = first->path;  // the phase needs the second call alone
      call.params = check_params(def->params, item.params, who, item.type_mark, found_);
      if (found_.errors() > before) return;
    }
    call.freeze = item.freeze;
    call.init = item.init;
    call.constant = item.constant;
    call.settled = item.settled;
    call.spectral_norm = item.spectral_norm;
    if (call.spectral_norm && !def->channels) {
      found_.error("E0082", item.mark,
                   who + ": spectral_norm needs a weight with output channels, and " + def->name +
                       " has none");
      return;
    }
    if (!segments_.empty() && segments_[size_t(index)] >= 0)
      call.segment = micro * int(model_.layers.size()) + segments_[size_t(index)];
    call.group = item.sync.value_or(0);
    if (call.group >= replicas()) call.group = 0;
    if (call.group && replicas() % call.group)
      found_.error("E0210", item.mark,
                   who + ": sync group " + std::to_string(call.group) + " does not divide the " +
                       std::to_string(replicas()) + " replicas");
    int id = add(std::move(call));
    if (id < 0) return;
    add_forward_hooks(b_, options_.hooks, id);
    item_call_[size_t(index)] = id;
    outs_[size_t(index)] = b_.graph().calls[size_t(id)].handed;
    expect(item, b_.graph().calls[size_t(id)]);
  }

  int64_t replicas() const { return options_.replicas ? options_.replicas : model_.replicas; }

  // Runs the definition's forward; -1 when it refused.
  int add(Call call) {
    auto& calls = b_.graph().calls;
    int id = int(calls.size());
    calls.push_back(std::move(call));
    b_.enter(id);
    size_t nodes = b_.graph().nodes.size();
    try {
      Call work = calls[size_t(id)];
      work.handed = work.out = work.def->forward(b_, work);
      calls[size_t(id)] = std::move(work);
      require_laws(id);
      return id;
    } catch (const Error& e) {
      if (e.fault() != Fault::model) throw;
      found_.add(with_inputs(e, calls[size_t(id)]));
      b_.graph().nodes.resize(nodes);
      return -1;
    }
  }

  // Laws of `constant` are for parameters that the layer has; those of `init` are judged together
  // with the patterns.
  void require_laws(int id) {
    const Call& call = b_.graph().calls[size_t(id)];
    if (call.constant.empty()) return;
    std::vector<std::string> names;
    for (auto& var : b_.graph().states)
      if (var.key.starts_with(call.owner + "."))
        names.push_back(var.key.substr(call.owner.size() + 1));
    std::string list;
    for (auto& name : names) list += (list.empty() ? "" : ", ") + name;
    for (auto& entry : call.constant)
      if (std::ranges::find(names, entry.key) == names.end())
        found_
            .error("E0110", entry.mark,
                   "layer '" + call.path + "' has no parameter '" + entry.key + "'" +
                       did_you_mean(entry.key, names))
            .help(list.empty() ? call.def->name + " has none" : "it has " + list);
  }

  // Shape errors show both shapes and where each came from.
  Error with_inputs(const Error& e, const Call& call) {
    auto diagnostics = std::vector(e.diagnostics().begin(), e.diagnostics().end());
    auto& first = diagnostics.front();
    if (!first.mark) first.mark = call.mark;
    if (first.notes.empty()) note_inputs(first, call);
    return Error(e.fault(), std::move(diagnostics));
  }

  void note_inputs(Diagnostic& d, const Call& call) {
    for (size_t i = 0; i < call.in.size(); ++i) {
      auto [mark, name] = origin(call.in[i]);
      d.note(mark,
             "input " + std::to_string(i) + "  '" + name + "'  " + to_string(b_.type(call.in[i])));
    }
  }

  std::pair<Mark, std::string> origin(int value) {
    auto& v = b_.graph().values[size_t(value)];
    if (v.input >= 0)
      return {model_.inputs[size_t(v.input)].mark, model_.inputs[size_t(v.input)].name};
    int call = b_.graph().nodes[size_t(v.node)].call;
    if (call < 0) return {{}, "target"};  // a constant one
    return {b_.graph().calls[size_t(call)].mark, b_.graph().calls[size_t(call)].path};
  }

  void expect(const LayerItem& item, const Call& call) {
    if (!item.expect) return;
    const Shape& has = b_.type(call.handed[0]).shape;
    bool same = has.size() == item.expect->size();
    std::string wants;
    for (size_t i = 0; i < item.expect->size(); ++i) {
      auto& dim = (*item.expect)[i];
      wants += (i ? ", " : "") + (dim ? to_string(*dim) : std::string("_"));
      if (same && dim) same = *dim == has[i];
    }
    if (same) return;
    auto& d = found_.error(
        "E0240", item.expect_mark ? item.expect_mark : item.mark,
        "layer '" + item.path + "': expected shape [" + wants + "], inferred " + to_string(has));
    note_inputs(d, call);
    d.help("expect: " + to_string(has) + " if the layers are as they should be");
  }

  // Every tie joins two parameters that exist.
  void ties() {
    std::vector<std::string> keys;
    for (auto& var : b_.graph().states)
      if (var.kind == StateVar::Kind::parameter) keys.push_back(var.key);
    for (auto& tie : model_.ties)
      if (!b_.has_tied(tie.key))
        found_.error("E0152", tie.mark,
                     "no layer has a parameter '" + tie.key + "'" + did_you_mean(tie.key, keys));
  }

  void term(const TermDecl& term, Role role, Result::Kind kind, int micro) {
    const char* what = role == Role::loss ? "loss" : "metric";
    std::string who = std::string(what) + " '" + term.name + "'";
    const LayerDef* def =
        find_def(term.type, role, term.type_mark ? term.type_mark : term.mark, what);
    if (!def) return;
    Call call{.def = def, .path = term.name, .owner = term.name, .micro = micro, .mark = term.mark};
    for (auto& link : term.from)  // a term that names a layer of the other mode is left out
      if (link.kind == Link::Kind::layer) {
        auto& when = model_.layers[size_t(link.index)].when;
        if (!when.empty() && (when == "train") != b_.training()) return;
      }
    if (!connect(call, term.from, who, term.target.has_value())) return;
    if (term.target && !give_target(*def, term, call)) return;
    size_t before = found_.errors();
    Dict given = term.params;
    if (role == Role::loss && term.factor != 1) set(given, "factor", term.factor);
    call.params = check_params(def->params, given, who, term.type_mark, found_);
    if (found_.errors() > before) return;
    bool is_wanted = wanted(term.name, is_step());
    if (!is_wanted && !(role == Role::loss && is_step() && b_.training())) return;
    int id = add(std::move(call));
    if (id < 0) return;
    b_.graph().results.push_back(
        {term.name, kind, b_.graph().calls[size_t(id)].out[0], term.factor});
  }

  /// A constant in place of the target, as large as the prediction. It hangs on an input, so that
  /// no count waits for the network.
  bool give_target(const LayerDef& def, const TermDecl& term, Call& call) {
    if (call.in.size() != 1 || def.inputs.size() < 2) {
      found_
          .error("E0234", term.mark,
                 "loss '" + term.name + "': a constant target stands for the second input" +
                     (call.in.size() > 1 ? ", and that is given" : ", and there is none"))
          .help("{type: " + def.name + ", from: prediction, target: 1}");
      return false;
    }
    const Type type = b_.type(call.in[0]);
    auto batched = std::ranges::find_if(inputs_, [&](int v) { return b_.type(v).batched(); });
    if (!type.batched() || batched == inputs_.end()) {
      found_.error("E0234", term.mark,
                   "loss '" + term.name +
                       "': a constant target needs a prediction with N, this is " +
                       to_string(type));
      return false;
    }
    Attr::List shape;
    for (Dim dim : type.shape) shape.push_back(dim.batched ? Attr(to_string(dim)) : dim.value);
    b_.enter(-1);
    b_.label(term.name);
    call.in.push_back(
        b_.one("full", {*batched}, {{"shape", std::move(shape)}, {"value", *term.target}}));
    return true;
  }

  void outputs() {
    for (auto& out : model_.outputs)
      if (int v = value_of(out.from); v >= 0 && wanted(out.name, !is_step() || !b_.training()))
        b_.graph().results.push_back({out.name, Result::Kind::output, v});
    for (auto& name : options_.wanted) {  // any layer's name serves as an output
      auto& results = b_.graph().results;
      if (std::ranges::any_of(results, [&](auto& r) { return r.name == name; })) continue;
      for (size_t i = 0; i < model_.layers.size(); ++i)
        if (model_.layers[i].path == name && !outs_[i].empty())
          results.push_back({name, Result::Kind::output, outs_[i][0]});
    }
  }

  const Model& model_;
  Builder& b_;
  const CompileOptions& options_;
  Diagnostics& found_;
  std::vector<int> inputs_;
  std::vector<std::vector<int>> outs_;
  std::vector<int> item_call_;
  std::vector<std::shared_ptr<const Ports>> own_ports_;  // by item; null = its definition's
  ParameterRules rules_;
  std::vector<int> segments_;  // by item; empty where the pass is off
};

// A loss divides by the count of the whole optimizer step: with micro-batches, the sum of theirs.
void join_counts(Builder& b) {
  std::map<std::string, std::vector<int>> losses;
  auto& calls = b.graph().calls;
  for (size_t i = 0; i < calls.size(); ++i)
    if (calls[i].def->role == Role::loss) losses[calls[i].path].push_back(int(i));
  for (auto& [path, ids] : losses) {
    if (ids.size() < 2) continue;
    b.enter(ids.back());
    int total = -1;
    for (int id : ids) {
      auto count = calls[size_t(id)].saved.find("count");
      ensure(count != calls[size_t(id)].saved.end(), "a loss must save its count");
      total = total < 0 ? count->second : b.one("add", {total, count->second});
    }
    for (int id : ids) calls[size_t(id)].saved["count"] = total;
  }
}

// What a layer hands on untouched is one value with one gradient: adding it again would double it.
bool passes_on(const Call& call) {
  return std::ranges::all_of(call.out,
                             [&](int v) { return std::ranges::find(call.in, v) != call.in.end(); });
}

// Unless a hook wrote: what it made is a value of its own, whose gradient goes on to what it saw.
void hand_back(Builder& b, const std::vector<HookSpec>& hooks, int id) {
  const Call call = b.graph().calls[size_t(id)];
  if (call.handed == call.out) return;
  std::vector<int> gradients;
  for (size_t k = 0; k < call.out.size(); ++k)
    gradients.push_back(call.handed[k] == call.out[k] ? -1 : b.gradient_of(call.handed[k]));
  gradients = mutate_gradients(b, hooks, id, std::move(gradients));
  observe_gradients(b, hooks, id, gradients, gradients);
  for (size_t k = 0; k < gradients.size(); ++k) b.add_gradient(call.out[k], gradients[k]);
}

}  // namespace

std::vector<int> forward(const Model& model, Builder& builder, const CompileOptions& options,
                         Diagnostics& found) {
  Forward f(model, builder, options, found);
  f.run();
  return std::move(f.item_calls());
}

void differentiate(Builder& b, Diagnostics& found, const std::vector<HookSpec>& hooks) {
  join_counts(b);
  Recompute recompute(b.graph());
  b.backward(true);
  auto& calls = b.graph().calls;
  for (int i = int(calls.size()) - 1; i >= 0; --i) {
    const Call call = calls[size_t(i)];
    if (call.def->role == Role::metric) continue;
    b.enter(i);
    if (passes_on(call)) {
      hand_back(b, hooks, i);
      continue;
    }
    bool is_loss = call.def->role == Role::loss, reached = is_loss, needed = false;
    std::vector<int> gradients;
    for (int v : call.handed) {
      gradients.push_back(is_loss ? -1 : b.gradient_of(v));
      reached |= gradients.back() >= 0;
      needed |= b.needs_gradient(v);
    }
    if (!reached || !needed) continue;
    if (!call.def->gradient) {
      found
          .error("E0245", call.mark,
                 call.path + ": " + call.def->name +
                     " has no gradient, and what stands before it is to be trained")
          .help("give its definition a gradient, or freeze the layers before it");
      continue;
    }
    gradients = mutate_gradients(b, hooks, i, std::move(gradients));
    std::vector<int> back;
    try {
      back = call.def->gradient(b, recompute.seen_by_gradient(b, call), gradients);
    } catch (const Error& e) {  // a Callback without `backward`
      if (e.fault() != Fault::model) throw;
      found.add(e);
      continue;
    }
    observe_gradients(b, hooks, i, gradients, back);
    ensure(back.size() <= call.in.size(), "a gradient rule returned more values than inputs");
    for (size_t k = 0; k < back.size(); ++k) b.add_gradient(call.in[k], back[k]);
  }
}

namespace {

/// The optimizer, when it is known and its own parameters are right.
const LayerDef* find_optimizer(const TypedDict& decl, const Registry& registry,
                               Diagnostics& found) {
  const LayerDef* def = registry.layer(decl.type);
  if (!def || def->role != Role::optimizer) {
    auto names = registry.layers(Role::optimizer);
    found
        .error("E0103", decl.type_mark ? decl.type_mark : decl.mark,
               "unknown optimizer '" + decl.type + "'" + did_you_mean(decl.type, names))
        .help(help_for_unknown(decl.type, names));
    return nullptr;
  }
  size_t before = found.errors();
  check_params(def->params, decl.params, "optimizer " + def->name, decl.mark, found);
  return found.errors() > before ? nullptr : def;
}

// A group that matches nothing: names what is nearest to what it seeks.
void refuse_unused(const OptimizerGroup& group, const Graph& graph, Diagnostics& found) {
  auto& d = found.error("E0211", group.mark, "this optimizer group matches no parameter");
  std::vector<std::string> keys;
  std::set<std::string> types;
  for (auto& state : graph.states) {
    if (!state.trainable) continue;
    keys.push_back(state.key);
    types.insert(graph.calls[size_t(state.call)].def->name);
  }
  const std::vector<std::string> known(types.begin(), types.end());
  for (auto& pattern : group.match)
    d.help("'" + pattern + "' is no key of a weight" + did_you_mean(pattern, keys));
  for (auto& type : group.types)
    d.help("'" + type + "' has no weights here" + did_you_mean(type, known));
  constexpr size_t shown = 4;
  if (keys.size() > shown) keys.resize(shown), keys.push_back("...");
  if (!group.match.empty()) d.help("keys are " + listed(keys) + "; `*` crosses dots");
}

// The gradients of all variables, scaled down together where their common norm is above `norm`.
// It is summed in the order of the variables.
std::vector<int> clipped(Builder& b, double norm) {
  const size_t states = b.graph().states.size();
  std::vector<int> gradients(states, -1);
  int total = -1;
  for (size_t s = 0; s < states; ++s) {
    const StateVar var = b.graph().states[s];
    if (!var.trainable) continue;
    b.enter(-1);
    b.label(var.key);
    gradients[s] = b.gradient_of(b.graph().state_values[s]);
    if (gradients[s] < 0) continue;
    int sum = b.one("square_sum", {gradients[s]});
    total = total < 0 ? sum : b.one("add", {total, sum});
  }
  for (size_t s = 0; s < states; ++s) {
    if (gradients[s] < 0) continue;
    b.label(b.graph().states[s].key);
    gradients[s] = b.one("clip", {gradients[s], total}, {{"norm", norm}});
  }
  return gradients;
}

}  // namespace

void check_optimizer(const Model& model, const Registry& registry, Diagnostics& found) {
  if (model.optimizer) find_optimizer(*model.optimizer, registry, found);
}

void optimize(const Model& model, Builder& b, Diagnostics& found) {
  if (!model.optimizer) return;
  auto& decl = *model.optimizer;
  const LayerDef* def = find_optimizer(decl, b.registry(), found);
  if (!def) return;
  size_t states = b.graph().states.size();
  std::vector<bool> used(model.groups.size(), false);
  std::vector<int> gradients;
  if (model.train.clip_norm) gradients = clipped(b, *model.train.clip_norm);
  for (size_t s = 0; s < states; ++s) {
    const StateVar var = b.graph().states[s];
    if (!var.trainable) continue;
    int weight = b.graph().state_values[s];
    b.enter(-1);
    b.label(var.key);
    int gradient = gradients.empty() ? b.gradient_of(weight) : gradients[s];
    if (gradient < 0) continue;
    Dict params = decl.params;
    // The rate itself is a scalar of the step: a group's own is a factor on it.
    double base = get_double(params, "lr", 0), scale = get_double(params, "lr_scale", 1);
    for (size_t g = 0; g < model.groups.size(); ++g) {
      auto& group = model.groups[g];
      const std::string& type = b.graph().calls[size_t(var.call)].def->name;
      bool hit = std::ranges::any_of(group.match, [&](auto& p) { return glob(p, var.key); }) ||
                 std::ranges::find(group.types, type) != group.types.end();
      if (!hit) continue;
      used[g] = true;
      for (auto& e : group.params)
        if (e.key == "lr_scale")
          scale *= e.value.is_number() ? e.value.as_double() : 1;
        else
          set(params, e.key, e.value);
    }
    if (base > 0 && get_double(params, "lr", base) != base)
      scale *= get_double(params, "lr") / base;
    if (scale != 1) set(params, "lr_scale", scale);
    size_t before = found.errors();
    Dict checked = check_params(def->params, params, "optimizer " + def->name, decl.mark, found);
    if (found.errors() > before) return;
    def->update(b, checked, weight, gradient);
    if (!model.train.ema) continue;
    int average = b.optimizer_state(weight, "ema", b.type(weight), Init::constant(0));
    b.add("ema", {average, weight}, {{"decay", *model.train.ema}});
  }
  for (size_t g = 0; g < used.size(); ++g)
    if (!used[g]) refuse_unused(model.groups[g], b.graph(), found);
}

Graph build(const Model& model, const Registry& registry, const CompileOptions& options,
            Diagnostics& found) {
  Graph graph;
  Builder b(graph, registry, options.mode);
  size_t before = found.errors();
  if (options.mode == Mode::train && !model.eval_only.empty())
    found.error("E0293", model.mark, "'" + model.name + "' cannot be trained: " + model.eval_only)
        .help("train the network as it was before, and fold it again afterwards");
  forward(model, b, options, found);
  if (found.errors() > before) return graph;
  // A phase may leave out the layers that a hook is for.
  if (options.mode == Mode::train && model.update.empty()) check_stats_hooks(graph, options.hooks);
  if (options.goal == Goal::forward) return graph;
  if (options.goal == Goal::backward) {
    seed_gradients(b);
    differentiate(b, found, options.hooks);
    add_gradient_results(b, int(model.inputs.size()));
  } else if (options.mode == Mode::train) {
    differentiate(b, found, options.hooks);
    add_step_hooks(b, options.hooks);
    optimize(model, b, found);
  }
  return graph;
}

}  // namespace braid
