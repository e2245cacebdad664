// NCCL as far as Braid uses it, within one process: see tests/emulator/nccl.cpp.
#pragma once
#include <cuda_runtime.h>

#include <string>
#include <vector>

using ncclComm_t = struct ncclComm*;
enum ncclResult_t {
  ncclSuccess = 0,
  ncclUnhandledCudaError = 1,
  ncclSystemError = 2,
  ncclInternalError = 3,
  ncclInvalidArgument = 4,
  ncclInvalidUsage = 5,
  ncclRemoteError = 6,
  ncclInProgress = 7
};
enum ncclDataType_t { ncclUint8 = 1, ncclFloat32 = 7, ncclFloat64 = 8 };
enum ncclRedOp_t { ncclSum = 0 };

ncclResult_t ncclGetVersion(int* version);
const char* ncclGetErrorString(ncclResult_t);
const char* ncclGetLastError(ncclComm_t);

ncclResult_t ncclCommInitAll(ncclComm_t*, int count, const int* devices);
ncclResult_t ncclCommAbort(ncclComm_t);
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t*);

ncclResult_t ncclGroupStart();
ncclResult_t ncclGroupEnd();
ncclResult_t ncclSend(const void*, size_t, ncclDataType_t, int peer, ncclComm_t, cudaStream_t);
ncclResult_t ncclRecv(void*, size_t, ncclDataType_t, int peer, ncclComm_t, cudaStream_t);
ncclResult_t ncclAllReduce(const void*, void*, size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t,
                           cudaStream_t);

namespace emulator {
/// What all communicators report from now on.
void fail_nccl(ncclResult_t);
void refuse_nccl(int nth);     ///< the nth group from now on is not taken
int64_t nccl_messages();       ///< sent so far, since the process began
int64_t nccl_communicators();  ///< ranks that are not aborted
/// What each rank called in each group since this was asked last: "0: sends 1 4096; 1: ...".
std::vector<std::string> take_nccl_groups();
}  // namespace emulator
