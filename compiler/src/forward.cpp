// Layers to operations: walks the model once per micro-batch.
#include <algorithm>
#include <set>

#include <braid/core/glob.h>

#include "build.h"
#include "hooks.h"
#include "parameter_rules.h"
#include "recompute.h"

namespace braid {

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

namespace {

std::vector<std::string> port_names(const std::vector<PortDef>& ports) {
  std::vector<std::string> names;
  for (auto& port : ports) names.push_back(port.name);
  return names;
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
    own_ports_[size_t(index)] = b_.graph().calls[size_t(id)].ports;
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
    const std::string list = listed(names);
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

}  // namespace

std::vector<int> forward(const Model& model, Builder& builder, const CompileOptions& options,
                         Diagnostics& found) {
  Forward f(model, builder, options, found);
  f.run();
  return std::move(f.item_calls());
}

}  // namespace braid
