#include <braid/runtime/backend.h>

#include <cstdlib>

#include <braid/plugin.h>

#include "posix/library.h"

namespace braid {

std::shared_ptr<Backend> load_backend(const std::string& kind) {
  const std::string name = "libbraid_" + kind + ".so", here = own_folder();
  std::vector<std::string> places = {here + "/" + name, here + "/../lib/" + name,
                                     BRAID_LIBRARY_DIR "/" + name, name};
  if (const char* given = std::getenv("BRAID_CUDA_LIBRARY"); given && *given && kind == "cuda")
    places = {given};
  std::vector<std::string> why;
  auto make =
      reinterpret_cast<Backend* (*)(const char*)>(find_symbol(places, "braid_backend", why));
  if (make)
    if (auto* backend = make(plugin_abi().c_str())) return std::shared_ptr<Backend>(backend);
  Diagnostic d{.code = "E0507",
               .message = make ? "the " + kind + " backend was built for another Braid or compiler"
                               : "the " + kind + " backend (" + name + ") was not found"};
  for (auto& line : why) d.note({}, "tried " + line);
  d.help(
      "build Braid where nvcc, cuDNN and NCCL are (cmake -DBRAID_CUDA=ON says what is missing), "
      "or use --devices cpu");
  throw Error(Fault::device, {std::move(d)});
}

}  // namespace braid
