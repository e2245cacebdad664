// A DataParallel that somebody else made learns to call back.
#include <braid/runtime/data_parallel.h>

#include <cstdio>

using namespace braid;

int main() {
  auto sync_bn = std::make_shared<SynchronizedBatchNorm1d>(1, BatchNormOptions{.affine = false});
  DataParallel parallel(sync_bn, {0, 1});
  Array x = Array::of<float>({4, 1}, {0, 1, 2, 3});
  auto show = [](const char* text, const Array& y) {
    std::printf("%-10s", text);
    for (float value : y.as<float>()) std::printf("%8.4f", double(value));
    std::printf("\n");
  };
  show("plain", parallel.forward(x));
  patch_replication_callback(parallel);
  show("patched", parallel.forward(x));
  patch_replication_callback(parallel);  // once is enough, twice is no more
  show("again", parallel.forward(x));
  try {
    patch_replication_callback(*sync_bn);
  } catch (const Error& error) {
    std::printf("%s\n", error.diagnostics().front().message.c_str());
  }
}
