#include "cuda/gemm.h"

#include <cublasLt.h>

#include <map>
#include <mutex>
#include <string>

#include <braid/core/error.h>

#include "device.h"

namespace braid::cuda {
namespace {

constexpr uint64_t kWorkspace = 4 << 20;  // bytes, at most

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(Fault::device, "E0521",
              std::string(what) + ": cublasLt says '" + cublasLtGetStatusString(status) + "' (" +
                  cublasLtGetStatusName(status) + ")");
}

// One for each device, from all threads; never released: at exit CUDA may be gone before it.
cublasLtHandle_t handle_of(int device) {
  struct Handles {
    std::mutex mutex;
    std::map<int, cublasLtHandle_t> of;
  };
  static auto& all = *new Handles;
  std::lock_guard lock(all.mutex);
  auto& handle = all.of[device];
  if (!handle) check(cublasLtCreate(&handle), "starting cublasLt");
  return handle;
}

constexpr float kOne = 1, kZero = 0;

}  // namespace

// cublasLt thinks in columns: a row-major matrix is the transpose of what it sees. So it computes
// yᵀ [n, m] = op(b)ᵀ · op(a)ᵀ, with b as its first factor.
struct ProductPlan {
  Product product;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, y = nullptr;
  cublasLtMatmulAlgo_t algorithm = {};
  size_t workspace = 0;
  bool bias = false;

  explicit ProductPlan(const Product& p) : product(p) {}
  ProductPlan(const ProductPlan&) = delete;
  ~ProductPlan() {
    for (auto layout : {a, b, y})
      if (layout) cublasLtMatrixLayoutDestroy(layout);
  }

  // One for each launch: it holds the bias, and a plan may be enqueued on several queues at once.
  cublasLtMatmulDescOpaque_t describe(const float* vector) const {
    const char* what = "describing a matrix product";
    cublasLtMatmulDescOpaque_t desc;
    check(cublasLtMatmulDescInit(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), what);
    auto set = [&](cublasLtMatmulDescAttributes_t name, auto value) {
      check(cublasLtMatmulDescSetAttribute(&desc, name, &value, sizeof value), what);
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, product.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, product.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (!bias) return desc;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector);
    return desc;
  }

  // A row-major matrix.
  static cublasLtMatrixLayout_t matrix(int64_t rows, int64_t columns) {
    cublasLtMatrixLayout_t layout = nullptr;
    check(
        cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, uint64_t(columns), uint64_t(rows), columns),
        "describing a matrix");
    return layout;
  }

  // The first that the heuristics name among those whose sums have one order: a library version
  // and a GPU model always answer the same.
  void choose(cublasLtHandle_t handle) {
    const char* what = "choosing a matrix product's algorithm";
    cublasLtMatmulPreference_t wanted = nullptr;
    check(cublasLtMatmulPreferenceCreate(&wanted), what);
    std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, decltype(&cublasLtMatmulPreferenceDestroy)>
        owner(wanted, cublasLtMatmulPreferenceDestroy);
    auto set = [&](cublasLtMatmulPreferenceAttributes_t name, auto value) {
      check(cublasLtMatmulPreferenceSetAttribute(wanted, name, &value, sizeof value), what);
    };
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        uint32_t(CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    for (auto alignment :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      set(alignment, uint32_t(64));
    auto desc = describe(nullptr);
    cublasLtMatmulHeuristicResult_t found = {};
    int count = 0;
    check(cublasLtMatmulAlgoGetHeuristic(handle, &desc, b, a, y, y, wanted, 1, &found, &count),
          what);
    check(count ? found.state : CUBLAS_STATUS_NOT_SUPPORTED, what);
    algorithm = found.algo;
    workspace = found.workspaceSize;
  }
};

std::shared_ptr<const ProductPlan> plan_product(const Product& p, bool bias) {
  int device = 0;
  cuda::check(cudaGetDevice(&device), "asking for the device");
  auto plan = std::make_shared<ProductPlan>(p);
  plan->bias = bias;
  plan->a = p.transpose_a ? ProductPlan::matrix(p.k, p.m) : ProductPlan::matrix(p.m, p.k);
  plan->b = p.transpose_b ? ProductPlan::matrix(p.n, p.k) : ProductPlan::matrix(p.k, p.n);
  plan->y = ProductPlan::matrix(p.m, p.n);
  plan->choose(handle_of(device));
  return plan;
}

int64_t workspace_of(const ProductPlan& plan) { return int64_t(plan.workspace); }

void multiply(Queue* queue, const ProductPlan& p, const float* a, const float* b, const float* bias,
              float* y, void* workspace) {
  auto desc = p.describe(bias);
  check(cublasLtMatmul(handle_of(queue->ordinal), &desc, &kOne, b, p.b, a, p.a, &kZero, y, p.y, y,
                       p.y, &p.algorithm, workspace, p.workspace, queue->stream),
        "a matrix product");
}

std::string gemm_version() {
  const size_t v = cublasLtGetVersion();  // 130002
  return "cuBLAS " + std::to_string(v / 10000) + "." + std::to_string(v / 100 % 100);
}

}  // namespace braid::cuda
