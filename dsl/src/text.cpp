#include "text.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace braid::dsl {
namespace {

namespace fs = std::filesystem;

/// Bytes of the well-formed UTF-8 sequence at `at`, or 0 (Unicode 15, table 3-7).
size_t sequence(std::string_view text, size_t at) {
  auto byte = [&](size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0u;
  };
  auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  unsigned c = byte(0);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    bool overlong = c == 0xE0 && byte(1) < 0xA0, surrogate = c == 0xED && byte(1) > 0x9F;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    bool overlong = c == 0xF0 && byte(1) < 0x90, beyond = c == 0xF4 && byte(1) > 0x8F;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

bool starts(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

struct Bad {
  size_t at;
  const char* why;
  const char* help;
};

/// Characters that are well-formed, but that YAML refuses or that end a line in YAML alone: a
/// comment could end unseen.
std::optional<Bad> find_odd(std::string_view text, size_t at) {
  std::string_view rest = text.substr(at);
  if (rest[0] == '\xC2' && static_cast<unsigned char>(rest[1]) < 0xA0)
    return Bad{at, "a control character", ""};
  if (starts(rest, "\xE2\x80\xA8") || starts(rest, "\xE2\x80\xA9"))
    return Bad{at, "a line separator of Unicode", "end lines with a line feed"};
  if (starts(rest, "\xEF\xBB\xBF"))
    return Bad{at, "a byte order mark inside the text", "remove it"};
  if (starts(rest, "\xEF\xBF\xBE") || starts(rest, "\xEF\xBF\xBF"))
    return Bad{at, "a code point that is no character", "remove it"};
  return {};
}

std::optional<Bad> find_bad(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == 0) return Bad{i, "a NUL byte", "this is not a text file"};
    if (c == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'))
      return Bad{i, "a carriage return that ends a line by itself", "end lines with a line feed"};
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
      return Bad{i, "a control character", ""};
    size_t length = sequence(text, i);
    if (length == 0) return Bad{i, "bytes that are not UTF-8", "save the file as UTF-8"};
    if (length > 1)
      if (auto odd = find_odd(text, i)) return odd;
    i += length;
  }
  return {};
}

Place place_of(uint32_t source, std::string_view text, size_t at) {
  Place place{source, 1, 1, 1};
  for (size_t i = 0; i < at; ++i) {
    bool ends = text[i] == '\n';
    place.line += ends;
    place.column = ends ? 1 : place.column + 1;
  }
  return place;
}

bool is_utf16(std::string_view bytes) {
  return starts(bytes, "\xFF\xFE") || starts(bytes, "\xFE\xFF");
}

}  // namespace

std::optional<std::string> load_bytes(const std::string& path, std::string& why) {
  std::error_code failed;
  fs::file_status status = fs::status(path, failed);
  if (!fs::exists(status)) return why = "no such file", std::nullopt;
  if (fs::is_directory(status)) return why = "this is a folder", std::nullopt;
  // A pipe may never end, and a device such as /dev/zero never does.
  if (!fs::is_regular_file(status)) return why = "not a regular file", std::nullopt;
  auto size = fs::file_size(path, failed);
  if (failed) return why = failed.message(), std::nullopt;
  if (size > Limits::file_bytes)
    return why = "larger than 8 MiB, which no network file is", std::nullopt;
  std::ifstream in(path, std::ios::binary);
  if (!in) return why = std::strerror(errno), std::nullopt;
  std::string bytes(size + 1, '\0');
  in.read(bytes.data(), std::streamsize(bytes.size()));
  if (in.bad()) return why = "reading failed", std::nullopt;
  if (size_t(in.gcount()) != size) return why = "it changed while it was read", std::nullopt;
  bytes.resize(size);
  return bytes;
}

std::optional<uint32_t> add_text(Reading& reading, std::string name, std::string bytes, Via via) {
  if (bytes.size() > Limits::file_bytes) {
    uint32_t source = reading.add_source(std::move(name), "", via);
    reading.error("E0001", {source, 0, 0, 0}, "larger than 8 MiB, which no network file is");
    return {};
  }
  if (is_utf16(bytes)) {
    uint32_t source = reading.add_source(std::move(name), "", via);
    reading.error("E0002", {source, 0, 0, 0}, "this text is UTF-16").help("save the file as UTF-8");
    return {};
  }
  if (starts(bytes, "\xEF\xBB\xBF")) bytes.erase(0, 3);
  auto bad = find_bad(bytes);
  Place at = bad ? place_of(0, bytes, bad->at) : Place{};
  at.source = reading.add_source(std::move(name), std::move(bytes), std::move(via));
  if (!bad) return at.source;
  auto& error =
      reading.error("E0002", at, std::string(bad->why) + " at byte " + std::to_string(bad->at));
  if (*bad->help) error.help(bad->help);
  return {};
}

}  // namespace braid::dsl
