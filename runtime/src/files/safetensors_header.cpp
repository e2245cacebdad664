#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <braid/core/error.h>

#include "files/safetensors_format.h"

namespace braid::safetensors {

namespace {

using Json = nlohmann::json;

/// The first thing wrong, thrown out of the parser; parse_header adds the file's name.
struct Refusal {
  std::string code, why;
};

[[noreturn]] void refuse(std::string why) { throw Refusal{"E0311", std::move(why)}; }

/// What stands under one tensor's name, while it is read.
struct Draft {
  std::string name;
  std::optional<std::string> dtype;
  std::optional<std::vector<uint64_t>> shape, offsets;
};

/// Takes the events of the JSON parser. A header has one form only, so that the place in it is a
/// small state, everything else is refused at once and nothing of a hostile file is collected.
class Handler : public nlohmann::json_sax<Json> {
 public:
  TensorListing listing;

  bool null() override { refuse_value("null"); }
  bool boolean(bool) override { refuse_value("a boolean"); }
  bool number_integer(number_integer_t) override { refuse_value("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { refuse_value("a fraction"); }
  bool binary(binary_t&) override { refuse_value("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::numbers) refuse_value("a number");
    if (numbers_->size() == 64) refuse(fmt::format("{} has too many numbers", where()));
    numbers_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      listing.metadata[key_] = value;
    } else if (place_ == Place::tensor && key_ == "dtype") {
      draft_.dtype = value;
    } else {
      refuse_value("a text");
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == metadata_key) {
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      if (listing.tensors.size() == tensor_limit) {
        refuse(fmt::format("it has more than {} tensors", tensor_limit));
      }
      place_ = Place::tensor;
      draft_ = {.name = key_};
    } else {
      refuse_value("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) finish_tensor();
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || (key_ != "shape" && key_ != "data_offsets")) {
      refuse_value("a list");
    }
    place_ = Place::numbers;
    numbers_ = &(key_ == "shape" ? draft_.shape : draft_.offsets).emplace();
    return true;
  }

  bool end_array() override {
    place_ = Place::tensor;
    return true;
  }

  bool key(string_t& name) override {
    key_ = name;
    bool fresh = true;
    if (place_ == Place::top) fresh = names_.insert(name).second;
    if (place_ == Place::metadata) fresh = !listing.metadata.contains(name);
    if (place_ == Place::tensor) fresh = known_field(name);
    if (!fresh) refuse(fmt::format("{} appears twice", where()));
    return true;
  }

  bool parse_error(std::size_t, const std::string&, const Json::exception& e) override {
    std::string text = e.what();
    size_t detail = text.rfind(": ");
    refuse("its header is no valid JSON" +
           (detail == std::string::npos ? "" : text.substr(detail)));
  }

 private:
  enum class Place { outside, top, metadata, tensor, numbers };

  std::string where() const {
    if (place_ == Place::tensor || place_ == Place::numbers) {
      return fmt::format("'{}' of tensor '{}'", shown(key_), shown(draft_.name));
    }
    if (place_ == Place::metadata) return fmt::format("metadata '{}'", shown(key_));
    return place_ == Place::top ? fmt::format("'{}'", shown(key_)) : "its header";
  }

  [[noreturn]] void refuse_value(std::string_view kind) const {
    refuse(fmt::format("{} may not be {}", where(), kind));
  }

  bool known_field(const std::string& name) const {
    if (name == "dtype") return !draft_.dtype;
    if (name == "shape") return !draft_.shape;
    if (name == "data_offsets") return !draft_.offsets;
    refuse(fmt::format("tensor '{}' has an unknown field '{}'", shown(draft_.name), shown(name)));
  }

  static int64_t checked(uint64_t value, const std::string& name) {
    if (value <= uint64_t(INT64_MAX)) return int64_t(value);
    refuse(fmt::format("tensor '{}' has a number above 2^63", shown(name)));
  }

  static DType dtype_of(const Draft& draft) {
    for (const auto& [name, dtype] : dtypes) {
      if (name == *draft.dtype) return dtype;
    }
    throw Refusal{"E0312", fmt::format("tensor '{}' has dtype {}, which is not supported (F64 F32 "
                                       "F16 BF16 I64 I32 U8 BOOL are)",
                                       shown(draft.name), shown(*draft.dtype))};
  }

  void finish_tensor() {
    for (const auto& [present, field] : {std::pair{draft_.dtype.has_value(), "dtype"},
                                         {draft_.shape.has_value(), "shape"},
                                         {draft_.offsets.has_value(), "data_offsets"}}) {
      if (!present) refuse(fmt::format("tensor '{}' has no '{}'", shown(draft_.name), field));
    }
    if (draft_.offsets->size() != 2) {
      refuse(fmt::format("'data_offsets' of tensor '{}' are {} numbers, not 2", shown(draft_.name),
                         draft_.offsets->size()));
    }
    TensorInfo info{draft_.name, dtype_of(draft_)};
    for (uint64_t size : *draft_.shape) info.dims.push_back(checked(size, info.name));
    info.begin = checked((*draft_.offsets)[0], info.name);
    info.end = checked((*draft_.offsets)[1], info.name);
    listing.tensors.push_back(std::move(info));
  }

  Place place_ = Place::outside;
  std::string key_;
  Draft draft_;
  std::vector<uint64_t>* numbers_ = nullptr;
  std::set<std::string> names_;
};

/// One tensor's range against its shape, and against where the tensor before it ended.
void check_range(const TensorInfo& t, int64_t previous_end) {
  std::string name = shown(t.name);
  if (t.begin > t.end) {
    refuse(fmt::format("tensor '{}' ends at {}, before it begins at {}", name, t.end, t.begin));
  }
  if (t.begin != previous_end) {
    refuse(
        fmt::format("the data of tensor '{}' begin at {}, not at {} where the tensor before it "
                    "ends: the data have {}",
                    name, t.begin, previous_end, t.begin > previous_end ? "a gap" : "an overlap"));
  }
  std::optional<int64_t> expected = bytes_of(t.dtype, t.dims);
  if (expected != t.end - t.begin) {
    refuse(fmt::format("tensor '{}' {} [{}] needs {} bytes, but its offsets span {}", name,
                       to_string(t.dtype), fmt::join(t.dims, ", "),
                       expected ? std::to_string(*expected) : "more than 2^63", t.end - t.begin));
  }
}

void check_ranges(const std::vector<TensorInfo>& tensors, int64_t data_size) {
  int64_t end = 0;
  for (const TensorInfo& t : tensors) {
    check_range(t, end);
    end = t.end;
  }
  if (end == data_size) return;
  refuse(fmt::format("its tensors need {} bytes, but {} follow the header: it is {}", end,
                     data_size, end > data_size ? "truncated" : "too long"));
}

// A JSON parser of C's making stops at a zero byte and would let junk hide behind it.
void check_start(std::string_view json) {
  if (json.empty() || json[0] != '{') refuse("its header does not begin with '{'");
  if (json.find('\0') != std::string_view::npos) refuse("its header holds a zero byte");
}

}  // namespace

std::string shown(std::string_view name) {
  std::string text(name.substr(0, 100));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  }
  return name.size() > 100 ? text + "..." : text;
}

TensorListing parse_header(const std::string& file, std::string_view json, int64_t data_size) try {
  check_start(json);
  Handler handler;
  Json::sax_parse(json.begin(), json.end(), &handler);
  std::vector<TensorInfo>& tensors = handler.listing.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  check_ranges(tensors, data_size);
  return std::move(handler.listing);
} catch (const Refusal& refusal) {
  throw Error(Fault::data, refusal.code,
              fmt::format("'{}' is no valid safetensors file: {}", file, refusal.why));
}

}  // namespace braid::safetensors
