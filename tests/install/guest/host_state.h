// What of a process is its host's own affair, as text by name.
#pragma once
#include <map>
#include <string>

using HostState = std::map<std::string, std::string>;

/// Handlers of all signals, the mask, locales, floating-point mode, affinity, folder, environment,
/// umask, open files, limits, streams, the thread's name, OpenMP's settings.
HostState host_state();

/// Lines "name: before -> after" of what differs.
std::string differences(const HostState& before, const HostState& after);

int threads_now();
