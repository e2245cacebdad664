// Stages: the C++ callables of a pipeline by name, with their types, which are deduced.
//
//   Stages stages;
//   stages.source("camera", [&] { return grab(); })                  // std::optional<Frame>()
//       .map("shrink", [](const Frame& f) { return half(f); })       // Small(const Frame&)
//       .filter("bright", [](const Small& s) { return s.mean > 9; })
//       .sink("show", [&](Small s) { window.draw(std::move(s)); });
//   stages.map("scale", with_params({{.name = "by", .kind = ParamKind::number, .fallback = 2.0}},
//                                   [](const Dict& params) {         // once for each stage and run
//                                     return [by = get_double(params, "by")](float x) { return x *
//                                     by; };
//                                   }));
//   stages.key("by id", [](const Frame& f) { return f.id; })         // integers or text
//       .key("by id", [](const Box& b) { return b.frame; })          // one for each type
//       .join("pair", [](Frame f, Box b) { return Shown{f, b}; });   // in the order of `from`
//
// Joins: `by` names a key that is bound for the types of all inputs, or, of Records, a field;
// without it the n-th item of a source meets what else was made of it, or the n-th of another
// source. Without a callable, Records are joined: of a field that several have, the first one's.
//
// A callable of a stage with `parallel` is called by several threads at once. One that takes its
// item by value or by && owns it; one that takes a const& looks at it. What it throws ends the run.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <braid/core/attr.h>
#include <braid/core/layer.h>
#include <braid/core/pipeline.h>
#include <braid/runtime/item.h>

namespace braid {

/// What a callable is called with and answers, without its types.
using StageCall = std::function<Item(std::span<Item>)>;

struct StageInput {
  const ItemType* type = nullptr;
  bool takes = false;  ///< owns it: where several stages get the item, each has a copy
};

/// A callable as it was bound.
struct StageDef {
  std::string name = {};
  StageKind kind = StageKind::map;
  std::vector<StageInput> inputs = {};
  const ItemType* output = nullptr;   ///< null for filters, keys and sinks
  std::vector<ParamDef> params = {};  ///< of with_params
  bool blocks = true;                 ///< sources: see Stages::source
  std::function<StageCall(const Dict& params, std::stop_token stop)> make = {};
  Mark mark = {};  ///< where it was bound
};

/// A function of the stage's parameters that makes its callable, and what those may be.
template <class Make>
struct WithParams {
  std::vector<ParamDef> params;
  Make make;
};
template <class Make>
WithParams<Make> with_params(std::vector<ParamDef> params, Make make) {
  return {std::move(params), std::move(make)};
}

namespace detail {

// Return and argument types of a callable that is no template.
template <class F>
struct CallTraits : CallTraits<decltype(&F::operator())> {};
template <class R, class... A>
struct CallTraits<R (*)(A...)> {
  using Result = std::remove_cvref_t<R>;
  using Arguments = std::tuple<A...>;
};
template <class R, class... A>
struct CallTraits<R (*)(A...) noexcept> : CallTraits<R (*)(A...)> {};
template <class R, class C, class... A>
struct CallTraits<R (C::*)(A...)> : CallTraits<R (*)(A...)> {};
template <class R, class C, class... A>
struct CallTraits<R (C::*)(A...) const> : CallTraits<R (*)(A...)> {};
template <class R, class C, class... A>
struct CallTraits<R (C::*)(A...) noexcept> : CallTraits<R (*)(A...)> {};
template <class R, class C, class... A>
struct CallTraits<R (C::*)(A...) const noexcept> : CallTraits<R (*)(A...)> {};

template <class F>
using ResultOf = typename CallTraits<F>::Result;
template <class F>
using ArgumentsOf = typename CallTraits<F>::Arguments;

template <class A>
constexpr bool looks = std::is_lvalue_reference_v<A>&& std::is_const_v<std::remove_reference_t<A>>;

template <class A>
StageInput input_of() {
  static_assert(looks<A> || !std::is_lvalue_reference_v<A>,
                "a stage takes its item by value, by && or by const&");
  return {&item_type<std::remove_cvref_t<A>>(), !looks<A>};
}

// Lives from the call to the end of it: the item's value, or a reference to it.
template <class A>
decltype(auto) argument(Item& item) {
  if constexpr (looks<A>)
    return item.read<std::remove_cvref_t<A>>();
  else
    return item.take<std::remove_cvref_t<A>>();
}

template <class F, class... A, size_t... i>
decltype(auto) call_with(F& f, std::span<Item> items, std::tuple<A...>*,
                         std::index_sequence<i...>) {
  return f(argument<A>(items[i])...);
}
template <class F>
decltype(auto) call_with(F& f, std::span<Item> items) {
  using Arguments = ArgumentsOf<F>;
  return call_with(f, items, static_cast<Arguments*>(nullptr),
                   std::make_index_sequence<std::tuple_size_v<Arguments>>());
}

template <class... A>
std::vector<StageInput> inputs_of(std::tuple<A...>*) {
  return {input_of<A>()...};
}

template <class T>
struct OptionalOf;
template <class T>
struct OptionalOf<std::optional<T>> {
  using type = T;
};
template <class T>
concept IsOptional = requires {
  typename OptionalOf<T>::type;
};

template <class K>
std::string key_text(K key) {
  if constexpr (std::is_integral_v<K>)
    return std::to_string(key);
  else
    return std::string(std::move(key));
}

// What the callable F of a stage of this kind is, but for who makes it.
template <StageKind kind, class F>
StageDef define() {
  using Arguments = ArgumentsOf<F>;
  StageDef def{.kind = kind};
  if constexpr (kind == StageKind::source) {
    static_assert(IsOptional<ResultOf<F>>, "a source answers std::optional of its item");
    def.output = &item_type<typename OptionalOf<ResultOf<F>>::type>();
  } else {
    def.inputs = inputs_of(static_cast<Arguments*>(nullptr));
    if constexpr (kind == StageKind::map || kind == StageKind::join)
      def.output = &item_type<ResultOf<F>>();
    if constexpr (kind == StageKind::filter) {
      static_assert(std::is_same_v<ResultOf<F>, bool>, "a filter answers bool: true = goes on");
      static_assert(looks<std::tuple_element_t<0, Arguments>>, "a filter takes a const&");
    }
    static_assert(kind == StageKind::join || std::tuple_size_v<Arguments> == 1,
                  "a stage takes one item; a join takes several");
  }
  return def;
}

template <StageKind kind, class F>
StageCall call_of(std::shared_ptr<F> f, std::stop_token stop) {
  return [f = std::move(f), stop = std::move(stop)](std::span<Item> items) -> Item {
    if constexpr (kind == StageKind::source) {
      auto made = [&] {
        if constexpr (std::tuple_size_v<ArgumentsOf<F>> == 1)
          return (*f)(stop);
        else
          return (*f)();
      }();
      return made ? Item::of(std::move(*made)) : Item();
    } else if constexpr (kind == StageKind::sink) {
      call_with(*f, items);
      return {};
    } else {
      return Item::of(call_with(*f, items));  // a filter's is a bool
    }
  };
}

}  // namespace detail

struct SourceOptions {
  /// Waits for a camera, a socket, a disk: has a thread of its own. false: it is called by the
  /// threads of the arena, as the stages are.
  bool blocks = true;
};

class Stages {
 public:
  /// `std::optional<T> f()`, or `f(std::stop_token)` for one that waits long and must learn that
  /// nobody wants more: items until there is none.
  template <class F>
  Stages& source(std::string name, F f, SourceOptions options = {},
                 const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return add<StageKind::source>(std::move(name), std::move(f), file, line, options.blocks);
  }
  /// `U f(T)` or `U f(const T&)`.
  template <class F>
  Stages& map(std::string name, F f, const char* file = __builtin_FILE(),
              int line = __builtin_LINE()) {
    return add<StageKind::map>(std::move(name), std::move(f), file, line);
  }
  /// `bool f(const T&)`: whether the item goes on.
  template <class F>
  Stages& filter(std::string name, F f, const char* file = __builtin_FILE(),
                 int line = __builtin_LINE()) {
    return add<StageKind::filter>(std::move(name), std::move(f), file, line);
  }
  /// `U f(A, B, ...)`, one for each stage in `from`.
  template <class F>
  Stages& join(std::string name, F f, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) {
    return add<StageKind::join>(std::move(name), std::move(f), file, line);
  }
  /// `void f(T)` or `void f(const T&)`.
  template <class F>
  Stages& sink(std::string name, F f, const char* file = __builtin_FILE(),
               int line = __builtin_LINE()) {
    return add<StageKind::sink>(std::move(name), std::move(f), file, line);
  }
  /// `K f(const T&)`, an integer or text: what a join with `by: name` compares. One for each type.
  template <class F>
  Stages& key(std::string name, F f, const char* file = __builtin_FILE(),
              int line = __builtin_LINE());

  /// A definition made by hand; a later one of the same kind and name (and, of keys, type) replaces
  /// the earlier one. Throws Error(usage, "E0450") for one without a name or a function.
  Stages& add(StageDef def);
  Stages& add_key(StageDef def);
  /// All of `other`, which win where both have a name.
  Stages& add(const Stages& other);

  const StageDef* find(StageKind kind, std::string_view name) const;
  const StageDef* find_key(std::string_view name, const ItemType& type) const;
  /// Names of a kind, sorted.
  std::vector<std::string> names(StageKind kind) const;
  std::vector<std::string> key_names() const;

 private:
  template <StageKind kind, class F>
  Stages& add(std::string name, F f, const char* file, int line, bool blocks = true);
  static Mark call_site(const char* file, int line);

  std::vector<StageDef> defs_, keys_;
};

/// What plug-ins are compared by before callables cross (see braid/plugin.h): the sizes of what
/// they are made of.
inline std::string stages_abi() {
  std::string text = "stages";
  for (size_t size : {sizeof(Stages), sizeof(StageDef), sizeof(StageInput), sizeof(ItemType),
                      sizeof(Item), sizeof(Record), sizeof(Array)})
    text += " " + std::to_string(size);
  return text;
}

/// `source`, `map`, ...: as files write it.
std::string_view to_string(StageKind kind);

/// Reports what cannot run, without running anything: names that nothing is bound to (E0451),
/// edges whose ends have different types (E0452), an item that cannot be copied and that several
/// stages take (E0453), joins without a key of their type (E0454), parameters that the callable
/// does not have. Networks are not opened.
void check(const PipelineDecl& pipeline, const Stages& stages, Diagnostics& found);

template <StageKind kind, class F>
Stages& Stages::add(std::string name, F f, const char* file, int line, bool blocks) {
  StageDef def;
  if constexpr (requires { f.make(std::declval<const Dict&>()); }) {
    using Made = decltype(f.make(std::declval<const Dict&>()));
    def = detail::define<kind, Made>();
    def.params = std::move(f.params);
    def.make = [make = std::move(f.make)](const Dict& params, std::stop_token stop) {
      return detail::call_of<kind>(std::make_shared<Made>(make(params)), std::move(stop));
    };
  } else {
    def = detail::define<kind, F>();
    def.make = [shared = std::make_shared<F>(std::move(f))](const Dict&, std::stop_token stop) {
      return detail::call_of<kind>(shared, std::move(stop));
    };
  }
  def.name = std::move(name), def.mark = call_site(file, line), def.blocks = blocks;
  return add(std::move(def));
}

template <class F>
Stages& Stages::key(std::string name, F f, const char* file, int line) {
  StageDef def{.name = std::move(name),
               .kind = StageKind::join,
               .inputs = detail::inputs_of(static_cast<detail::ArgumentsOf<F>*>(nullptr)),
               .mark = call_site(file, line)};
  static_assert(std::tuple_size_v<detail::ArgumentsOf<F>> == 1, "a key is made of one item");
  static_assert(detail::looks<std::tuple_element_t<0, detail::ArgumentsOf<F>>>,
                "a key takes a const&: the item goes on");
  def.make = [shared = std::make_shared<F>(std::move(f))](const Dict&, const std::stop_token&) {
    return StageCall([shared](std::span<Item> items) {
      return Item::of(detail::key_text(detail::call_with(*shared, items)));
    });
  };
  return add_key(std::move(def));
}

}  // namespace braid
