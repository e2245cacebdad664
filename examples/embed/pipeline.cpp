// Pictures from a folder, decoded by two threads, through a network in batches, in their order:
//
//   files --> decode (2 at a time) --> batch --> network --> rows --> sink
//                 PGM to Record       up to 16   one pass    one each
//
// At most 64 pictures are under way, however many there are.
#include <braid/runtime/pipeline.h>
#include <braid/runtime/session.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

using braid::Array, braid::DType, braid::Record;
namespace fs = std::filesystem;

// 8 x 8 gray values.
void write_picture(const fs::path& path, int seed) {
  std::ofstream file(path, std::ios::binary);
  file << "P5\n8 8\n255\n";
  for (int i = 0; i < 64; ++i) file.put(char((i * seed) % 256));
}

Record decode(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic, width, height, most;
  if (!(file >> magic >> width >> height >> most) || magic != "P5" || file.get() != '\n')
    throw std::runtime_error(path.string() + " is no PGM file");
  Array image = Array::zeros(DType::f32, {64});
  for (float& value : image.as<float>()) value = float(file.get()) / 255;
  return {{"image", std::move(image)}};
}

int main(int argc, char** argv) try {
  const fs::path folder =
      fs::temp_directory_path() / ("braid-pictures-" + std::to_string(getpid()));
  fs::create_directories(folder);
  for (int i = 0; i < 100; ++i) write_picture(folder / (std::to_string(i) + ".pgm"), i);

  auto arena = std::make_shared<braid::TaskArena>();
  auto session =
      braid::Session::open(argc > 1 ? argv[1] : "examples/digits/digits.yaml", {.arena = arena});
  int next = 0, seen = 0;
  braid::Flow flow(64);
  auto files = flow.source("files", [&]() -> std::optional<fs::path> {
    if (next == 100) return {};
    return folder / (std::to_string(next++) + ".pgm");
  });
  auto pictures = flow.map("decode", files, decode, {.parallel = 2});
  auto batches = flow.batch("batch", pictures, {.max = 16, .wait_ms = 1});
  auto passed = flow.network("network", batches, session);
  flow.sink("sink", flow.unbatch("rows", passed),
            [&](const Record& r) { seen += r.at("logits").dims == std::vector<int64_t>{10}; });
  const auto report = flow.run({.arena = arena});
  fs::remove_all(folder);
  std::printf("%d pictures in %d batches\n%s", seen, int(report.stage("batch").out),
              to_string(report).c_str());
  return seen == 100 ? 0 : 1;
} catch (const braid::Error& error) {
  std::fputs(error.what(), stderr);
  return int(error.fault());
}
