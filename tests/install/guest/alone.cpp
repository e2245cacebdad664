// alone FILE: Braid's share of the work, and no torch in the process.
#include <fstream>

#include "braid_part.h"

int main(int, char** argv) {
  auto all = braid_work();
  std::ofstream(argv[1], std::ios::binary)
      .write(reinterpret_cast<const char*>(all.data()),
             std::streamsize(all.size() * sizeof(float)));
}
