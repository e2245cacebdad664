// `braid schema`: the JSON Schema of network files, and of pictures.
#include "schema.h"

#include <braid/compiler/draw.h>
#include <braid/runtime/files.h>

#include "commands.h"
#include "network.h"
#include "output.h"

namespace braid::cli {

int schema_command(const Arguments& a) {
  const Registry registry = registry_with(a.plugins);
  const std::string text = a.graph ? graph_schema() : file_schema(registry).dump(1) + "\n";
  if (a.out.empty())
    print(text);
  else
    write_file(a.out, text);
  return 0;
}

}  // namespace braid::cli
