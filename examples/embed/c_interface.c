/* A network in a C program, through libbraid.so.
 *
 *   digits.yaml --braid_open--> session --braid_train--> progress, progress, ...
 *                                  |
 *      image[64] --braid_bind----> bound --braid_bound_run--> logits[10]
 */
#include <braid/braid.h>
#include <stdio.h>

static int fail(braid_error* error) {
  for (int i = 0; i < braid_error_count(error); ++i)
    fprintf(stderr, "%s:%d: [%s] %s\n", braid_error_file(error, i), braid_error_line(error, i),
            braid_error_code(error, i), braid_error_message(error, i));
  braid_error_free(error);
  return 1;
}

static int show(const braid_progress* p, void* evaluations) {
  if (p->kind != 2) return 0;
  printf("epoch %d: loss %.3f\n", (int)p->epoch, p->loss);
  return ++*(int*)evaluations == 3; /* three are enough */
}

int main(int argc, char** argv) {
  braid_error* error = NULL;
  braid_session* session = NULL;
  braid_bound* bound = NULL;
  if (braid_open("no such file", NULL, &session, &error) != BRAID_MODEL) return 1;
  braid_error_free(error);
  braid_options options = {sizeof options, "cpu:0,cpu:1", 0, 0, "hidden=48"};
  if (braid_open(argc > 1 ? argv[1] : "examples/digits/digits.yaml", &options, &session, &error))
    return fail(error);

  int evaluations = 0;
  braid_train_options training = {
      .size = sizeof training, .on_progress = show, .user = &evaluations};
  braid_train_report report = {.size = sizeof report};
  if (braid_train(session, &training, &report, &error)) return fail(error);

  float image[64] = {0}, logits[10];
  const int64_t image_dims[] = {1, 64}, logits_dims[] = {1, 10};
  braid_tensor in = {"image", BRAID_F32, 2, image_dims, image, sizeof image};
  braid_tensor out = {"logits", BRAID_F32, 2, logits_dims, logits, sizeof logits};
  if (braid_bind(session, &in, 1, &out, 1, &bound, &error)) return fail(error);
  if (braid_bound_run(bound, &error)) return fail(error);
  int best = 0;
  for (int i = 1; i < 10; ++i)
    if (logits[i] > logits[best]) best = i;
  printf("braid %s, %s after %d steps: a blank image looks like a %d\n", braid_version(),
         report.stopped ? "stopped" : "ended", (int)report.steps, best);
  braid_bound_free(bound);
  braid_close(session);
  return report.stopped ? 0 : 1;
}
