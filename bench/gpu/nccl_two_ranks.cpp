// Whether two processes that share one GPU may talk by NCCL when each calls itself another host
// (NCCL_HOSTID): prints "works", with how long a message took, or what NCCL said. Exit code 0 for
// both answers; 1 where the numbers that arrived are wrong.
#include <cuda_runtime.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr size_t kCount = 1 << 20;
enum Answer { works = 0, wrong = 1, refused = 2 };

void check(cudaError_t result, const char* what) {
  if (result != cudaSuccess)
    throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(result));
}

void check(ncclResult_t result, const char* what) {
  if (result != ncclSuccess)
    throw std::runtime_error(std::string(what) + ": " + ncclGetErrorString(result) + "; " +
                             ncclGetLastError(nullptr));
}

/// Rank 0 sends, rank 1 looks at what has come.
Answer run(int rank, const ncclUniqueId& id) {
  setenv("NCCL_HOSTID", ("braid-" + std::to_string(rank)).c_str(), 1);
  check(cudaSetDevice(0), "cudaSetDevice");
  ncclComm_t communicator = nullptr;
  check(ncclCommInitRank(&communicator, 2, id, rank), "ncclCommInitRank");
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a stream");
  float* memory = nullptr;
  check(cudaMalloc(&memory, kCount * sizeof(float)), "cudaMalloc");
  std::vector<float> numbers(kCount, rank == 0 ? 1.5f : 0.0f);
  check(cudaMemcpy(memory, numbers.data(), kCount * sizeof(float), cudaMemcpyHostToDevice), "copy");
  double best = 1e30;
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    if (rank == 0)
      check(ncclSend(memory, kCount, ncclFloat, 1, communicator, stream), "ncclSend");
    else
      check(ncclRecv(memory, kCount, ncclFloat, 0, communicator, stream), "ncclRecv");
    check(cudaStreamSynchronize(stream), "a message");
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  check(cudaMemcpy(numbers.data(), memory, kCount * sizeof(float), cudaMemcpyDeviceToHost), "copy");
  for (float x : numbers)
    if (x != 1.5f) return wrong;
  if (rank == 1) std::printf("works: 4 MiB in %.2f ms\n", best);
  check(ncclCommDestroy(communicator), "ncclCommDestroy");
  return works;
}

}  // namespace

// The id comes from a process of its own: one that has touched CUDA may not fork.
int main() {
  alarm(60);
  int ends[2];  // of the pipe that the id goes through
  if (pipe(ends) != 0) return 1;
  pid_t children[2];
  for (int rank : {0, 1}) {
    children[rank] = fork();
    if (children[rank] != 0) continue;
    alarm(50);
    close(ends[1 - (rank == 0)]);
    Answer answer = refused;
    try {
      ncclUniqueId id;
      if (rank == 0) {
        setenv("NCCL_HOSTID", "braid-0", 1);
        check(ncclGetUniqueId(&id), "ncclGetUniqueId");
        if (write(ends[1], &id, sizeof id) != ssize_t(sizeof id)) return 1;
      } else if (read(ends[0], &id, sizeof id) != ssize_t(sizeof id)) {
        throw std::runtime_error("there is no id");
      }
      answer = run(rank, id);
    } catch (const std::exception& e) {
      std::printf("rank %d: %s\n", rank, e.what());
    }
    std::fflush(stdout);
    _exit(answer);
  }
  for (int end : ends) close(end);
  // When one has ended badly, the other would wait for it.
  int worst = works;
  for (int left = 2; left > 0; --left) {
    int status = 0;
    const pid_t ended = wait(&status);
    const int answer = WIFEXITED(status) ? WEXITSTATUS(status) : int(refused);
    worst = std::max(worst, answer == wrong ? 3 : answer);
    if (answer != works)
      for (pid_t child : children)
        if (child != ended) kill(child, SIGTERM);
  }
  if (worst == refused) std::printf("does not work here\n");
  if (worst == 3) std::printf("WRONG: other numbers arrived than were sent\n");
  return worst == 3 ? 1 : 0;
}
