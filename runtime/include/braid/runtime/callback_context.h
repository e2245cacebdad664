// CallbackContext: what the copies of one layer share. There is one for each position in the
// network, the same for all replicas of that position, and fresh for every replication. A bag of
// typed values that several threads may use at once.
//
//   void on_replicate(CallbackContext& ctx, int copy_id) {
//     if (copy_id == 0) ctx.emplace<Meeting>(3);
//     ctx.get<Meeting>().join(copy_id);     // the master's hook ran before any slave's
//   }
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <typeindex>
#include <typeinfo>
#include <utility>

#include <braid/core/error.h>

namespace braid {

class CallbackContext {
 public:
  CallbackContext() = default;
  CallbackContext(const CallbackContext&) = delete;
  CallbackContext& operator=(const CallbackContext&) = delete;

  /// Makes the value of this type and name, in place of an earlier one; the reference holds until
  /// it is replaced or the context goes. Who uses the value from several threads guards it.
  template <class T, class... Args>
  T& emplace_as(std::string name, Args&&... args) {
    auto made = std::make_shared<T>(std::forward<Args>(args)...);
    std::lock_guard lock(mutex_);
    values_[key<T>(name)] = made;
    return *made;
  }
  template <class T, class... Args>
  T& emplace(Args&&... args) {
    return emplace_as<T>("", std::forward<Args>(args)...);
  }

  /// The value, or null.
  template <class T>
  T* find(std::string_view name = {}) const {
    std::lock_guard lock(mutex_);
    auto found = values_.find(key<T>(name));
    return found == values_.end() ? nullptr : static_cast<T*>(found->second.get());
  }

  /// The value; throws Error(usage, "E0427") when there is none.
  template <class T>
  T& get(std::string_view name = {}) const {
    if (T* value = find<T>(name)) return *value;
    missing(typeid(T).name(), name);
  }

  /// The value, made by `make()` where there is none yet: by one caller only. `make` must not use
  /// the context, which is locked meanwhile.
  template <class T, class Make>
  T& get_or(Make make, std::string_view name = {}) {
    std::lock_guard lock(mutex_);
    auto& value = values_[key<T>(name)];
    if (!value) value = std::make_shared<T>(make());
    return *static_cast<T*>(value.get());
  }

  size_t size() const {
    std::lock_guard lock(mutex_);
    return values_.size();
  }

 private:
  /// Two types of one name in unnamed namespaces are two types: the name alone is no key.
  using Key = std::pair<std::type_index, std::string>;

  template <class T>
  static Key key(std::string_view name) {
    return {typeid(T), std::string(name)};
  }
  [[noreturn]] static void missing(const char* type, std::string_view name);

  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<void>> values_;
};

}  // namespace braid
