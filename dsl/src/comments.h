// What a tree does not hold: comments and empty lines.
#pragma once
#include <string>
#include <vector>

#include "tree.h"

namespace braid::dsl {

struct Comment {
  int line = 0;
  bool alone = false;     ///< nothing else on its line
  std::string text = {};  ///< begins with `#`; "" = an empty line
};

/// All of them, from top to bottom.
std::vector<Comment> find_comments(const std::string& text, const Node& root);

/// Where each line begins, to find a Place in the text.
class Lines {
 public:
  explicit Lines(const std::string& text);
  size_t count() const { return begins_.size(); }
  size_t offset(const Place& place) const;
  /// Without its end.
  std::string_view line(int number) const;

 private:
  const std::string& text_;
  std::vector<size_t> begins_;
};

}  // namespace braid::dsl
