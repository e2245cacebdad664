#include <braid/runtime/item.h>

#include <cxxabi.h>

#include <cstdlib>

namespace braid {

std::string to_string(const ItemType& type) {
  int status = 0;
  char* name = abi::__cxa_demangle(type.info.name(), nullptr, nullptr, &status);
  std::string text = status == 0 && name ? name : type.info.name();
  std::free(name);
  if (same(type, item_type<Record>())) return "braid::Record";
  if (same(type, item_type<Items<Record>>())) return "braid::Items<braid::Record>";
  return text;
}

Item Item::share() {
  if (!type_) return {};
  if (!boxed_) *this = type_->box(inside_);
  type_->add_owner(pointer());
  Item other;
  other.set_box(*type_, pointer());
  return other;
}

}  // namespace braid
