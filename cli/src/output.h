// Results go to stdout, everything else to stderr. A reader that went away (`braid ... | head`) is
// no fault; a full disk is.
#pragma once
#include <string>
#include <string_view>

#include <braid/core/error.h>

namespace braid::cli {

void print(std::string_view text);
/// Prints and flushes: for events that another program waits for.
void print_now(std::string_view line);
void warn(std::string_view text);
/// Diagnostics on stderr: as text, or as one JSON object a line.
void report(std::span<const Diagnostic> diagnostics, bool json);

/// To be called last: throws Error(output) when something printed was lost.
void finish_output();

/// Columns that stand under each other; `align` has one letter a column, l (the default) or r.
class Table {
 public:
  explicit Table(std::vector<std::string> heads, std::string align = {});
  void row(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::string align_;
};

/// Lines of at most 88 columns, each begun with `indent`; ends with a line end.
std::string wrapped(const std::string& text, const std::string& indent = {});
std::string first_sentence(const std::string& doc);
/// 11689512 -> "11,689,512"
std::string grouped(int64_t number);
/// 1536 -> "1.5 KiB"
std::string bytes_text(int64_t bytes);

}  // namespace braid::cli
