// Item: what travels through a pipeline, a value of any C++ type that can be moved. Small ones lie
// inside, without memory of their own; a value that several stages get is kept once and shared.
//
//   Item item = Item::of(Frame{...});
//   item.read<Frame>().width;             // types are checked before a pipeline runs, not here
//   Frame frame = item.take<Frame>();     // moved out; copied where others have it, too
#pragma once
#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include <braid/core/error.h>
#include <braid/runtime/array.h>

namespace braid {

/// Arrays by name, without a batch dimension: what `Batch`, `Network` and `Unbatch`, and the stages
/// that files name, exchange.
using Record = std::map<std::string, Array>;

/// What a Batch stage makes of items of type T. A stage behind it may work on all of them together;
/// Unbatch wants as many as there were.
template <class T>
struct Items : std::vector<T> {
  using std::vector<T>::vector;
};

namespace detail {
template <class T>
struct ElementOf {};
template <class T>
struct ElementOf<Items<T>> {
  using type = T;
};
template <class T>
concept IsItems = requires {
  typename ElementOf<T>::type;
};

// Containers say that they can be copied, whatever is in them.
template <class T>
constexpr bool copies() {
  if constexpr (requires { typename T::value_type; }) {
    if constexpr (!std::is_same_v<typename T::value_type, T>)
      return std::is_copy_constructible_v<T> && copies<typename T::value_type>();
  }
  return std::is_copy_constructible_v<T>;
}
}  // namespace detail

class Item;

/// What is known of a payload's type at run time.
struct ItemType {
  const std::type_info& info;
  bool copies;  ///< can be copied
  void (*move)(void* from, void* to) noexcept;
  void (*destroy)(void* at) noexcept;
  void (*unbox)(void* box) noexcept;  ///< one owner less
  void (*add_owner)(void* box) noexcept;
  Item (*box)(void* from);                 ///< moves a value that lies inside into a box
  const ItemType& (*batch)();              ///< Items<T>; null where T is one itself
  const ItemType& (*element)();            ///< T of Items<T>, else null
  Item (*collect)(std::span<Item>);        ///< to Items<T>
  void (*spread)(Item&, std::span<Item>);  ///< of Items<T>, of as many
  size_t (*count)(const Item&);            ///< of Items<T>
};

template <class T>
const ItemType& item_type();

/// `Frame`, `std::vector<float>`: as C++ writes it.
std::string to_string(const ItemType& type);
/// Across shared libraries, too.
inline bool same(const ItemType& a, const ItemType& b) { return &a == &b || a.info == b.info; }

class Item {
 public:
  Item() = default;
  Item(Item&& other) noexcept { steal(other); }
  Item& operator=(Item&& other) noexcept {
    if (this != &other) reset(), steal(other);
    return *this;
  }
  ~Item() { reset(); }

  template <class T>
  static Item of(T value);

  explicit operator bool() const { return type_ != nullptr; }
  const ItemType* type() const { return type_; }
  /// The value, to look at.
  template <class T>
  const T& read() const {
    return boxed_ ? box<T>()->value : *std::launder(reinterpret_cast<const T*>(inside_));
  }
  /// The value, which is gone afterwards; a copy where others share it.
  template <class T>
  T take();
  /// Another owner of the same value, which is shared from now on.
  Item share();
  void reset() noexcept {
    if (!type_) return;
    boxed_ ? type_->unbox(pointer()) : type_->destroy(inside_);
    type_ = nullptr;
    boxed_ = false;
  }

 private:
  template <class T>
  friend const ItemType& item_type();
  template <class T>
  struct Box {
    explicit Box(T&& v) : value(std::move(v)) {}
    std::atomic<int> owners = 1;
    T value;
  };
  static constexpr size_t room = 48;
  template <class T>
  static constexpr bool fits =
      sizeof(T) <= room &&
      alignof(T) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<T>;

  void* pointer() const { return *reinterpret_cast<void* const*>(inside_); }
  template <class T>
  Box<T>* box() const {
    return static_cast<Box<T>*>(pointer());
  }
  void set_box(const ItemType& type, void* box) noexcept {
    new (inside_) void*(box);
    type_ = &type;
    boxed_ = true;
  }
  void steal(Item& other) noexcept {
    type_ = other.type_;
    boxed_ = other.boxed_;
    if (!type_) return;
    if (boxed_)
      new (inside_) void*(other.pointer());
    else
      type_->move(other.inside_, inside_);
    other.type_ = nullptr;
    other.boxed_ = false;
  }

  alignas(std::max_align_t) std::byte inside_[room];
  const ItemType* type_ = nullptr;
  bool boxed_ = false;
};

template <class T>
Item Item::of(T value) {
  static_assert(std::is_move_constructible_v<T>, "items are moved from stage to stage");
  Item item;
  if constexpr (fits<T>) {
    new (item.inside_) T(std::move(value));
    item.type_ = &item_type<T>();
  } else {
    item.set_box(item_type<T>(), new Box<T>(std::move(value)));
  }
  return item;
}

template <class T>
T Item::take() {
  Item gone(std::move(*this));
  if (!gone.boxed_) return std::move(*std::launder(reinterpret_cast<T*>(gone.inside_)));
  auto* box = gone.box<T>();
  if constexpr (detail::copies<T>())
    if (box->owners.load(std::memory_order_acquire) > 1) return T(std::as_const(box->value));
  return std::move(box->value);
}

template <class T>
const ItemType& item_type() {
  static const ItemType type = [] {
    ItemType t{.info = typeid(T),
               .copies = detail::copies<T>(),
               .move = nullptr,
               .destroy = [](void* at) noexcept { static_cast<T*>(at)->~T(); },
               .unbox =
                   [](void* at) noexcept {
                     auto* box = static_cast<Item::Box<T>*>(at);
                     if (box->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete box;
                   },
               .add_owner =
                   [](void* at) noexcept {
                     static_cast<Item::Box<T>*>(at)->owners.fetch_add(1, std::memory_order_relaxed);
                   },
               .box =
                   [](void* from) {
                     Item item;
                     item.set_box(item_type<T>(),
                                  new Item::Box<T>(std::move(*static_cast<T*>(from))));
                     return item;
                   },
               .batch = nullptr,
               .element = nullptr,
               .collect = nullptr,
               .spread = nullptr,
               .count = nullptr};
    if constexpr (Item::fits<T>)
      t.move = [](void* from, void* to) noexcept {
        auto* value = std::launder(static_cast<T*>(from));
        new (to) T(std::move(*value));
        value->~T();
      };
    if constexpr (detail::IsItems<T>) {
      t.element = &item_type<typename detail::ElementOf<T>::type>;
      t.count = [](const Item& items) { return items.read<T>().size(); };
      t.spread = [](Item& items, std::span<Item> out) {
        T all = items.take<T>();
        for (size_t i = 0; i < out.size(); ++i) out[i] = Item::of(std::move(all[i]));
      };
    } else {
      t.batch = &item_type<Items<T>>;
      t.collect = [](std::span<Item> items) {
        Items<T> all;
        all.reserve(items.size());
        for (Item& item : items) all.push_back(item.take<T>());
        return Item::of(std::move(all));
      };
    }
    return t;
  }();
  return type;
}

}  // namespace braid
