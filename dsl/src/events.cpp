#include "events.h"

#include <yaml.h>

#include <algorithm>
#include <new>
#include <vector>

namespace braid::dsl {
namespace {

/// Where characters stand in a text, in bytes.
class Characters {
 public:
  explicit Characters(std::string_view text) : text_(text) {
    if (std::ranges::none_of(text, [](char c) { return (c & 0x80) != 0; })) return;
    size_t count = 0;
    for (size_t at = 0; at < text.size(); ++at)
      if (!is_tail(at) && count++ % stride == 0) marks_.push_back(uint32_t(at));
  }

  size_t offset(size_t character) const {
    if (marks_.empty()) return std::min(character, text_.size());
    if (character / stride >= marks_.size()) return text_.size();
    size_t at = marks_[character / stride];
    for (size_t left = character % stride; left > 0 && at < text_.size(); --left) do
        ++at;
      while (is_tail(at));
    return at;
  }

 private:
  static constexpr size_t stride = 64;
  bool is_tail(size_t at) const { return at < text_.size() && (text_[at] & 0xC0) == 0x80; }

  std::string_view text_;
  std::vector<uint32_t> marks_;  // of every 64th character; none: all are bytes
};

std::string_view view(const char* text) { return text ? text : std::string_view(); }

std::string_view view(const yaml_char_t* text) { return view(reinterpret_cast<const char*>(text)); }

/// An event of libyaml, freed with what it points to.
class Raw {
 public:
  Raw() = default;
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;
  ~Raw() { yaml_event_delete(&event_); }
  yaml_event_t& fresh() {
    yaml_event_delete(&event_);
    return event_;
  }

 private:
  yaml_event_t event_ = {};
};

Event::Style style_of(yaml_scalar_style_t style) {
  if (style == YAML_PLAIN_SCALAR_STYLE) return Event::Style::plain;
  bool quoted =
      style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE;
  return quoted ? Event::Style::quoted : Event::Style::block;
}

}  // namespace

struct Events::Parser {
  explicit Parser(std::string_view text) : characters(text) {
    if (!yaml_parser_initialize(&parser)) throw std::bad_alloc();
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser); }

  Position position(const yaml_mark_t& mark) const {
    size_t byte = characters.offset(mark.index);
    size_t line_begin = characters.offset(mark.index - std::min(mark.index, mark.column));
    return {byte, int(mark.line) + 1, int(byte - line_begin) + 1};
  }

  SyntaxError error() const {
    if (parser.error == YAML_MEMORY_ERROR) throw std::bad_alloc();
    bool placed = parser.error != YAML_READER_ERROR;
    return {view(parser.problem), view(parser.context),
            position(placed ? parser.problem_mark : parser.mark),
            parser.context ? position(parser.context_mark) : Position{}};
  }

  Event read() {
    yaml_event_t& got = raw.fresh();
    if (!yaml_parser_parse(&parser, &got)) throw error();
    Event event;
    event.begin = position(got.start_mark);
    event.end = position(got.end_mark);
    switch (got.type) {
      case YAML_DOCUMENT_START_EVENT:
        event.kind = Event::Kind::document;
        break;
      case YAML_ALIAS_EVENT:
        event.kind = Event::Kind::alias;
        event.text = view(got.data.alias.anchor);
        break;
      case YAML_SCALAR_EVENT: {
        const auto& scalar = got.data.scalar;
        event.kind = Event::Kind::scalar;
        event.style = style_of(scalar.style);
        event.text = {reinterpret_cast<const char*>(scalar.value), scalar.length};
        event.anchor = view(scalar.anchor);
        event.tag = view(scalar.tag);
        break;
      }
      case YAML_SEQUENCE_START_EVENT:
        event.kind = Event::Kind::list;
        event.anchor = view(got.data.sequence_start.anchor);
        event.tag = view(got.data.sequence_start.tag);
        break;
      case YAML_MAPPING_START_EVENT:
        event.kind = Event::Kind::map;
        event.anchor = view(got.data.mapping_start.anchor);
        event.tag = view(got.data.mapping_start.tag);
        break;
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        event.kind = Event::Kind::close;
        break;
      case YAML_STREAM_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
        return read();
      case YAML_STREAM_END_EVENT:
      case YAML_NO_EVENT:
        break;
    }
    return event;
  }

  yaml_parser_t parser = {};
  Raw raw;
  Characters characters;
  Event event = {};
};

Events::Events(std::string_view text) : parser_(std::make_unique<Parser>(text)) {}
Events::~Events() = default;

const Event& Events::next() { return parser_->event = parser_->read(); }

}  // namespace braid::dsl
