// The passes, in the order in which compile() calls them. Up to synchronize() they work on the
// logical Graph, then on its expansion over replicas, then on the Plan.
#pragma once
#include <braid/compiler/compile.h>

#include "expanded.h"

namespace braid {

/// Drops operations whose results nobody needs and that write no state; without `keep_writes` also
/// those that write it.
void eliminate(Graph& graph, bool keep_writes);
/// Refuses tensors that no machine, or not this one, can hold, before any memory is taken.
void check_sizes(const Graph& graph, const CompileOptions& options);
/// The same for the finished plan.
void check_sizes(const Plan& plan, const CompileOptions& options);
/// f32 becomes f64, for the reference engine.
void widen(Graph& graph);
/// normalize + relu -> one operation, forward and backward.
void fuse(Graph& graph);
/// Compares what a producer yields with what a consumer wants and inserts one sync node per value
/// and group.
void synchronize(Graph& graph);
/// Syncs that are ready together share one node.
void bundle(Graph& graph);
/// Chooses memory formats through the graph and inserts reorders.
void choose_formats(Graph& graph, const Registry& registry, const CompileOptions& options,
                    int64_t slice);
/// normalize + add (+ relu), and relu's gradient + bn_reduce -> one operation each.
void fuse_add(Graph& graph, const Registry& registry);
/// R copies; a sync becomes a tree of merges. With several devices to sum over, gradients have a
/// tree on each of them, and a sum over all.
Expanded replicate(const Graph& graph, int replicas, int64_t batch, const CompileOptions& options,
                   int summed_over);
/// A kernel for each node and slice size; fills Plan::kernels and ExpandedNode::kernel.
void choose_kernels(const Graph& graph, Expanded& expanded, const Registry& registry,
                    const DeviceTraits& traits, Plan& plan);
uint64_t program_hash(const Graph& graph, const Expanded& expanded, const Plan& plan);
/// Steps on devices, transfers between them, the commit gate.
void place(const Graph& graph, const Expanded& expanded, Plan& plan, Order& order);
/// Control edges that bound how many partial gradients are alive at once.
void window(const Graph& graph, const Expanded& expanded, const Plan& plan, Order& order);
/// On devices with queues: one step for the copies of a node on a device.
void gang(Plan& plan, Order& order);
/// Lanes and strands. With `hooks_alone` a hook shares its strand with nothing: it ends on the
/// host.
void weave(Plan& plan, Order& order, bool hooks_alone);
/// On devices with queues: streams, and the events between them.
void assign_streams(Plan& plan);
/// Offsets in the arenas.
void lay_out(Plan& plan, const std::set<std::string>& disabled);
/// Plan::nodes and Plan::syncs: names for users.
void describe_nodes(const Graph& graph, const Expanded& expanded, Plan& plan);
void describe_syncs(const Graph& graph, const Expanded& expanded, Plan& plan);
uint64_t plan_hash(const Plan& plan);

/// "sync", the one operation that exists only in the logical graph: k partial values -> k copies.
const OpDef& sync_op();

}  // namespace braid
