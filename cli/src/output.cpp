#include "output.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <fmt/format.h>

namespace braid::cli {
namespace {

// Characters, not bytes: continuation bytes of UTF-8 take no column.
size_t width(std::string_view text) {
  size_t n = 0;
  for (char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

void check_stdout(bool written) {
  if (written || errno == EPIPE) return;
  throw Error(Fault::output, "E0601", std::string("stdout cannot be written: ") + strerror(errno));
}

}  // namespace

void print(std::string_view text) {
  check_stdout(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void print_now(std::string_view line) {
  print(line);
  check_stdout(std::fflush(stdout) == 0);
}

void warn(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); }

void report(std::span<const Diagnostic> diagnostics, bool json) {
  for (auto& d : diagnostics) warn(json ? to_json(d) + "\n" : render(d));
}

void finish_output() { check_stdout(std::fflush(stdout) == 0); }

Table::Table(std::vector<std::string> heads, std::string align) : align_(std::move(align)) {
  align_.resize(heads.size(), 'l');
  rows_.push_back(std::move(heads));
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<size_t> widths(rows_.front().size(), 0);
  for (auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  std::string out;
  for (auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      std::string gap(widths[i] - width(row[i]), ' ');
      line += (i ? "  " : "") + (align_[i] == 'r' ? gap + row[i] : row[i] + gap);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string wrapped(const std::string& text, const std::string& indent) {
  constexpr size_t columns = 88;
  std::istringstream words(text);
  std::string out, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && width(indent + line) + 1 + width(word) > columns) {
      out += indent + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + indent + line + "\n";
}

std::string first_sentence(const std::string& doc) {
  size_t end = doc.find(". ");
  return end == std::string::npos ? doc : doc.substr(0, end + 1);
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = int(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    digits.insert(size_t(at), ",");
  return digits;
}

std::string bytes_text(int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double size = double(bytes);
  const char* unit = "";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (size < 1024) break;
    size /= 1024, unit = larger;
  }
  return fmt::format("{:.1f} {}", size, unit);
}

}  // namespace braid::cli
