// A CUDA device on the host, for tests: Braid's CUDA sources are compiled as C++ against the
// headers in include/, and everything enqueued is really run, kernels thread by thread.
//
// Nothing runs before somebody asks for a result (a synchronisation, a query, a blocking copy).
// Then a seeded scheduler picks at random among what is ready, so that a missing wait shows in some
// seed; threads of a block, and blocks, come in an order of its choosing, too. Device memory cannot
// be touched by host code, is full of 0xff at first, and what is written outside of it is found: a
// fault that only a bug can make ends the process with a message on stderr.
//
//   emulator::reset();
//   emulator::seed(7);
//   emulator::fail_launch(3);  // the third kernel from now hits an illegal address
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <cuda_runtime.h>

namespace emulator {

/// As at the start of the process: one device, nothing allocated, no fault. Handles and memory of
/// before are gone.
void reset();
void set_devices(int count);     ///< at most 16; none: no driver
void set_memory(int64_t bytes);  ///< of each device; 2 GiB at first
void seed(uint64_t);
/// Whether host code that touches device memory dies; it does at first.
void protect(bool);

/// Of the kernels run from now on whose name contains `name`, the nth one hits an illegal address:
/// from then on all calls on its device fail.
void fail_launch(int nth = 1, const std::string& name = {});
/// The nth one never ends.
void hang_launch(int nth = 1, const std::string& name = {});

int64_t launches();   ///< kernels run so far, since the process began
int64_t allocated();  ///< bytes of device memory that are not released, of all devices

/// Enqueues what a library does: it counts as a kernel. `name` stays.
cudaError_t enqueue(cudaStream_t, const char* name, std::function<void()> work);

}  // namespace emulator
