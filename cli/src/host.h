// What the machine is, as far as a person wants to know.
#pragma once
#include <string>

namespace braid::cli {

/// Those that this process may use: a container or taskset may allow fewer than there are.
int cores();
/// "Intel(R) Xeon(R) Platinum 8481C", or "".
std::string cpu_model();
/// "Linux 6.1.0 x86_64"
std::string operating_system();
std::string host_name();
/// "2026-11-26T18:50:48Z"
std::string utc_now();

}  // namespace braid::cli
