// Where a thing came from: file, line and column, and the chain of includes, blocks and repeats
// that brought it there. Every layer keeps its Mark, so that every later error, picture and trace
// event can name a line that the user typed.
//
//   Mark m{source, 31, 12, 3};
//   to_string(m);   // "net.yaml:31:12"
#pragma once
#include <memory>
#include <string>

namespace braid {

/// One text that was read. `name` is how the user called the file. For models built in C++ it is
/// the source file of the call and `text` is empty.
struct Source {
  std::string name;
  std::string text;
};

struct Frame;

/// A place in a Source. `line` and `column` are 1-based, columns count bytes; 0 = not known.
/// `length` is the number of bytes that a caret line underlines (at least 1 is drawn).
struct Mark {
  std::shared_ptr<const Source> source = {};
  int line = 0;
  int column = 0;
  int length = 0;
  std::shared_ptr<const Frame> via = {};  ///< the innermost include, block or repeat, if any

  explicit operator bool() const { return source != nullptr; }
};

/// One step of the chain: `what` happened (`block basic`, `repeat i=1`, `include blocks.yaml`) at
/// the place `at`, whose own `via` is the next step outwards.
struct Frame {
  std::string what;
  Mark at;
};

/// `file:line:column`, or the file alone when the line is not known, or "" for an empty Mark.
std::string to_string(const Mark& mark);

/// The line that `mark` points to, without its line end; "" when the text is not at hand.
std::string source_line(const Mark& mark);

}  // namespace braid
