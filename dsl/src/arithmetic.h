// The operators and functions of expressions on values. Integers stay integers and never wrap;
// every fault is an ExpressionError without a place.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <braid/core/attr.h>

namespace braid::dsl {

/// `+ - * / // % **`
Attr arithmetic(std::string_view op, const Attr& a, const Attr& b);
/// `== != < <= > >=`
Attr compare(std::string_view op, const Attr& a, const Attr& b);
Attr negate(const Attr& a);
Attr item_of(const Attr& list, const Attr& index);
Attr call_function(std::string_view name, const std::vector<Attr>& arguments);

const std::vector<std::string>& function_names();

}  // namespace braid::dsl
