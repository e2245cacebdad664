// The commands. Each returns the exit code; faults are thrown as braid::Error.
#pragma once
#include "arguments.h"

namespace braid::cli {

int check_command(const Arguments& arguments);
int plan_command(const Arguments& arguments);
int draw_command(const Arguments& arguments);
int train_command(const Arguments& arguments);
int eval_command(const Arguments& arguments);
int export_command(const Arguments& arguments);
int import_command(const Arguments& arguments);
int run_command(const Arguments& arguments);
int stream_command(const Arguments& arguments);
int layers_command(const Arguments& arguments);
int test_layer_command(const Arguments& arguments);
int devices_command(const Arguments& arguments);
int weights_command(const Arguments& arguments);
int report_command(const Arguments& arguments);
int trace_command(const Arguments& arguments);
int bench_command(const Arguments& arguments);
int compare_command(const Arguments& arguments);
int explain_command(const Arguments& arguments);
int schema_command(const Arguments& arguments);
int fmt_command(const Arguments& arguments);
int completion_command(const Arguments& arguments);
int manual_command(const Arguments& arguments);

}  // namespace braid::cli
