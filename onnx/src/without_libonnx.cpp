// A build without libonnx: everything is there, and says what is missing.
#include <braid/core/error.h>
#include <braid/onnx/export.h>
#include <braid/onnx/import.h>

namespace braid {
namespace {

[[noreturn]] void missing() {
  throw Error(Fault::usage, "E0370", "this build has no ONNX: libonnx was missing")
      .help("install libonnx-dev and libprotobuf-dev, and build again");
}

}  // namespace

std::string to_onnx(const Model&, const std::map<std::string, Array>&, const Registry&,
                    const ExportOptions&) {
  missing();
}

void export_onnx(const Model&, const std::map<std::string, Array>&, const Registry&,
                 const std::string&, const ExportOptions&) {
  missing();
}

std::vector<std::pair<std::string, std::string>> onnx_operators() { return {}; }

Imported from_onnx(const std::string&, const Registry&, const ImportOptions&) { missing(); }

Imported from_onnx_bytes(const std::string&, const Registry&, const ImportOptions&) { missing(); }

std::vector<std::string> imported_operators() { return {}; }

}  // namespace braid
