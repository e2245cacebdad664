#include "callback/ports.h"

#include <algorithm>

#include "ops/shape_attr.h"

namespace braid {
namespace {

const char* const form =
    "write ports: {in: [x], out: {y: [N, 10]}}; a type is a shape, or {shape: [N], dtype: i64}";

class Reader {
 public:
  explicit Reader(std::string who) : who_(std::move(who)) {}

  CallbackPorts read(const Attr& ports) {
    const Dict& dict = mapping(ports, "ports");
    known(dict, {"in", "out"}, "ports");
    CallbackPorts all{.own = true};
    const Attr* in = find(dict, "in");
    all.in = in ? inputs(*in) : std::vector<CallbackPort>{{"input"}};
    const Attr* out = find(dict, "out");
    if (!out) refuse(ports.mark, "ports have no `out`, so it makes nothing");
    for (auto& entry : mapping(*out, "`out`")) {
      all.out.push_back(output(entry));
      if (std::ranges::find(all.in, entry.key, &CallbackPort::name) != all.in.end())
        refuse(entry.mark, "'" + entry.key + "' is an input and an output",
               "rename one of the two");
    }
    return all;
  }

  [[noreturn]] void refuse(const Mark& mark, const std::string& what,
                           const std::string& help = form) const {
    throw Error(Fault::model, "E0246", who_ + ": " + what, mark).help(help);
  }

 private:
  const Dict& mapping(const Attr& attr, const std::string& what) const {
    if (!attr.is<Dict>() || attr.as_dict().empty())
      refuse(attr.mark, what + " is " + to_string(attr) + ", needs a mapping");
    return attr.as_dict();
  }

  void known(const Dict& dict, const std::vector<std::string>& keys,
             const std::string& what) const {
    for (auto& entry : dict)
      if (std::ranges::find(keys, entry.key) == keys.end())
        refuse(entry.mark, what + (what == "ports" ? " have" : " has") + " no key '" + entry.key +
                               "'" + did_you_mean(entry.key, keys));
  }

  // `[x, gate]`, or `{x: [N, 4]}` where types are to be checked.
  std::vector<CallbackPort> inputs(const Attr& attr) const {
    std::vector<CallbackPort> all;
    if (!attr.is<Attr::List>()) {
      for (auto& entry : mapping(attr, "`in`")) all.push_back(port(entry));
      return all;
    }
    for (auto& name : attr.as_list()) {
      if (!name.is<std::string>() || name.as_text().empty())
        refuse(name.mark, "the input " + to_string(name) + " has no name");
      if (std::ranges::find(all, name.as_text(), &CallbackPort::name) != all.end())
        refuse(name.mark, "two inputs are called '" + name.as_text() + "'");
      all.push_back({name.as_text(), {}, name.mark});
    }
    if (all.empty()) refuse(attr.mark, "it takes no input", "leave `in` out, or name an input");
    return all;
  }

  CallbackPort output(const Entry& entry) const {
    CallbackPort made = port(entry);
    if (!made.type->batched())
      refuse(entry.mark,
             "output '" + made.name + "' is " + to_string(*made.type) +
                 ": each replica makes its own, so dimension 0 is N or k*N",
             "a layer behind it can reduce it: Mean, Sum, a loss or a metric");
    return made;
  }

  CallbackPort port(const Entry& entry) const {
    const Attr* shape = &entry.value;
    Type type;
    if (shape->is<Dict>()) {
      known(shape->as_dict(), {"shape", "dtype"}, "port '" + entry.key + "'");
      if (const Attr* name = find(shape->as_dict(), "dtype")) type.dtype = dtype(*name);
      shape = find(shape->as_dict(), "shape");
      if (!shape) refuse(entry.mark, "port '" + entry.key + "' has no `shape`");
    }
    if (!shape->is<Attr::List>())
      refuse(shape->mark ? shape->mark : entry.mark,
             "port '" + entry.key + "' is " + to_string(*shape) + ", needs a shape");
    for (auto& attr : shape->as_list()) {
      auto dim = parse_dim(attr);
      if (!dim || dim->value < 1 || (dim->batched && !type.shape.empty()))
        refuse(attr.mark ? attr.mark : entry.mark,
               "port '" + entry.key + "': " + to_string(attr) + " is no size here",
               "sizes are whole numbers above 0; the first may be N or k*N");
      type.shape.push_back(*dim);
    }
    return {entry.key, std::move(type), entry.mark};
  }

  DType dtype(const Attr& name) const {
    auto known = name.is<std::string>() ? parse_dtype(name.as_text()) : std::nullopt;
    if (!known)
      refuse(name.mark, to_string(name) + " is no dtype",
             "they are f32, f64, f16, bf16, i64, i32, u8 and bool");
    return *known;
  }

  std::string who_;
};

}  // namespace

CallbackPorts callback_ports(const std::string& who, const Dict& params) {
  Reader reader(who);
  const Entry* ports = find_entry(params, "ports");
  if (ports && !ports->value.is_null()) return reader.read(ports->value);
  const Entry* backward = find_entry(params, "backward");
  if (backward && !backward->value.is_null())
    reader.refuse(backward->mark, "`backward` belongs to a Callback with ports",
                  "without `ports` it watches, and its gradient is handed on as it is");
  return {.in = {{"input"}}, .out = {{"output"}}};
}

}  // namespace braid
