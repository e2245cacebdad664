// `braid weights FILE`: the tensors of a safetensors file; only its header is read.
#include <braid/runtime/safetensors.h>

#include "commands.h"
#include "json.h"
#include "output.h"

namespace braid::cli {
namespace {

std::string dims_text(const std::vector<int64_t>& dims) {
  std::string out;
  for (auto d : dims) out += (out.empty() ? "" : ", ") + std::to_string(d);
  return "[" + out + "]";
}

}  // namespace

int weights_command(const Arguments& a) {
  auto listing = list_safetensors(a.target);
  int64_t elements = 0, bytes = 0;
  Json tensors = Json::array();
  Table table({"tensor", "dtype", "shape", "elements", "bytes"}, "lllrr");
  for (auto& t : listing.tensors) {
    int64_t size = t.end - t.begin, count = size / int64_t(size_of(t.dtype));
    elements += count, bytes += size;
    std::string dtype(to_string(t.dtype));
    tensors.push_back({{"name", t.name}, {"dtype", dtype}, {"shape", t.dims}, {"bytes", size}});
    table.row({t.name, dtype, dims_text(t.dims), grouped(count), grouped(size)});
  }
  if (a.json) {
    print(line({{"tensors", tensors},
                {"elements", elements},
                {"bytes", bytes},
                {"metadata", listing.metadata}}));
    return 0;
  }
  print(table.text() + "\n" + std::to_string(listing.tensors.size()) + " tensors, " +
        grouped(elements) + " elements, " + bytes_text(bytes) + "\n");
  for (auto& [key, value] : listing.metadata) print(key + ": " + value + "\n");
  return 0;
}

}  // namespace braid::cli
