/* Braid for C, and for whatever calls C: Python's ctypes, C#'s DllImport, Rust, Julia.
 *
 *   braid_error* error = NULL;
 *   braid_session* session = NULL;
 *   if (braid_open("digits.yaml", NULL, &session, &error)) {
 *     fputs(braid_error_text(error), stderr);
 *     braid_error_free(error);
 *   }
 *   float image[64] = {0}, logits[10];
 *   int64_t in_dims[] = {1, 64}, out_dims[] = {1, 10};
 *   braid_tensor in = {"image", BRAID_F32, 2, in_dims, image, sizeof image};
 *   braid_tensor out = {"logits", BRAID_F32, 2, out_dims, logits, sizeof logits};
 *   braid_run(session, &in, 1, &out, 1, &error);
 *   braid_close(session);
 *
 * Functions that can fail return 0, or whose fault it is, and then make an error where `error` is
 * not NULL; the caller frees it. A session may be used by several threads as session.h says. Texts
 * are UTF-8. What a function returns a pointer to belongs to the object it was asked of, unless it
 * says otherwise. Nothing is printed, no signal handler is installed.
 *
 * Structures that may grow begin with their size: `braid_options o = {sizeof o};`. */
#ifndef BRAID_BRAID_H
#define BRAID_BRAID_H

#include <stddef.h>
#include <stdint.h>

#include <braid/core/version.h>

#define BRAID_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

typedef struct braid_session braid_session;
typedef struct braid_bound braid_bound;
typedef struct braid_error braid_error;

/* Whose fault it is. */
typedef enum braid_status {
  BRAID_OK = 0,
  BRAID_USAGE = 2,  /* a wrong argument */
  BRAID_MODEL = 3,  /* the network */
  BRAID_DATA = 4,   /* data or weights */
  BRAID_RUN = 5,    /* a step: a kernel, or memory */
  BRAID_DEVICE = 6, /* a device that is absent */
  BRAID_OUTPUT = 7, /* writing */
  BRAID_BUG = 70    /* ours */
} braid_status;

typedef enum braid_dtype {
  BRAID_F32 = 0,
  BRAID_F64 = 1,
  BRAID_F16 = 2,
  BRAID_BF16 = 3,
  BRAID_I64 = 4,
  BRAID_I32 = 5,
  BRAID_U8 = 6,
  BRAID_BOOL = 7
} braid_dtype;

enum { BRAID_MAX_RANK = 8 };

/* An array of the caller's, row-major. Outputs are written to `data`. */
typedef struct braid_tensor {
  const char* name;
  int32_t dtype; /* braid_dtype */
  int32_t rank;
  const int64_t* dims;
  void* data;
  size_t bytes;
} braid_tensor;

typedef struct braid_options {
  size_t size;         /* of this structure */
  const char* devices; /* "cpu:0,cpu:1"; NULL = what the file says */
  int32_t threads;     /* 0 = all cores */
  int32_t concurrency; /* forward passes at a time; 0 = threads */
  const char* set;     /* "lr=0.01;train.epochs=3": as --set of the command; NULL = nothing */
} braid_options;

/* What happens while a network is trained. */
typedef struct braid_progress {
  size_t size;
  int32_t kind; /* 0 start, 1 step, 2 evaluation, 3 checkpoint, 4 note, 5 done */
  int32_t best; /* evaluations: better than all before */
  int64_t step, steps, epoch;
  double loss, rate, seconds, samples_per_second;
  const char* text; /* notes; checkpoints: the path */
} braid_progress;

typedef struct braid_train_options {
  size_t size;
  int64_t steps;     /* 0 = what the file says */
  double seconds;    /* 0 = as long as it takes */
  const char* out;   /* folder of the run; NULL = nothing is written */
  int32_t resume;    /* go on with what is in `out` */
  int32_t take_best; /* by the file's keep_best: end with the weights of the best evaluation */
  int (*on_progress)(const braid_progress* progress, void* user); /* not 0 ends the run */
  void* user;
} braid_train_options;

typedef struct braid_train_report {
  size_t size;
  int64_t steps;
  int32_t stopped; /* by on_progress */
  double loss;     /* of the last step */
  int64_t best_step;
} braid_train_report;

/* The version of the library: "1.0.0", and as BRAID_VERSION. */
BRAID_API const char* braid_version(void);
BRAID_API int braid_version_number(void);

/* Errors are one or more diagnostics; i counts from 0. An absent text is "", an absent line 0. */
BRAID_API const char* braid_error_text(const braid_error* error); /* all of it, rendered */
BRAID_API int braid_error_count(const braid_error* error);
BRAID_API const char* braid_error_code(const braid_error* error, int i); /* "E0203" */
BRAID_API const char* braid_error_message(const braid_error* error, int i);
BRAID_API const char* braid_error_help(const braid_error* error, int i);
BRAID_API const char* braid_error_file(const braid_error* error, int i);
BRAID_API int braid_error_line(const braid_error* error, int i);
BRAID_API int braid_error_column(const braid_error* error, int i);
BRAID_API void braid_error_free(braid_error* error); /* NULL is allowed */

/* Opens a network: a file, or a text that is in memory, whose `name` stands in messages. `options`
 * may be NULL. */
BRAID_API int braid_open(const char* path, const braid_options* options, braid_session** session,
                         braid_error** error);
BRAID_API int braid_parse(const char* text, size_t length, const char* name,
                          const braid_options* options, braid_session** session,
                          braid_error** error);
BRAID_API void braid_close(braid_session* session); /* NULL is allowed */

/* The declared inputs and outputs by number; NULL behind the last. */
BRAID_API const char* braid_input_name(const braid_session* session, int i);
BRAID_API const char* braid_output_name(const braid_session* session, int i);
/* Of an output or a layer, for a batch of so many samples: dims has room for BRAID_MAX_RANK. */
BRAID_API int braid_output_type(braid_session* session, const char* name, int64_t samples,
                                int32_t* dtype, int32_t* rank, int64_t* dims, braid_error** error);

/* A forward pass. */
BRAID_API int braid_run(braid_session* session, const braid_tensor* inputs, int input_count,
                        const braid_tensor* outputs, int output_count, braid_error** error);
/* The same for calls that are repeated, which then take no memory: reads and writes the tensors'
 * data each time. It ends before its session. */
BRAID_API int braid_bind(braid_session* session, const braid_tensor* inputs, int input_count,
                         const braid_tensor* outputs, int output_count, braid_bound** bound,
                         braid_error** error);
BRAID_API int braid_bound_run(braid_bound* bound, braid_error** error);
BRAID_API void braid_bound_free(braid_bound* bound);

/* One optimizer step with the network's own learning rate; its loss may be NULL. */
BRAID_API int braid_step(braid_session* session, const braid_tensor* inputs, int input_count,
                         double* loss, braid_error** error);
/* The whole training; `options` and `report` may be NULL. */
BRAID_API int braid_train(braid_session* session, const braid_train_options* options,
                          braid_train_report* report, braid_error** error);

/* Weights as safetensors: files, or bytes in memory, which braid_free() frees. */
BRAID_API int braid_load_weights(braid_session* session, const char* path, braid_error** error);
BRAID_API int braid_save_weights(braid_session* session, const char* path, braid_error** error);
BRAID_API int braid_parse_weights(braid_session* session, const void* bytes, size_t size,
                                  braid_error** error);
BRAID_API int braid_format_weights(braid_session* session, void** bytes, size_t* size,
                                   braid_error** error);
BRAID_API void braid_free(void* bytes);

#ifdef __cplusplus
}
#endif

#endif
