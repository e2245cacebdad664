#include "host_state.h"

#include <fcntl.h>
#include <omp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <cfenv>
#include <clocale>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <locale>
#include <new>
#include <sstream>

namespace {

template <class T>
std::string bytes_of(const T& value) {
  std::ostringstream out;
  const auto* at = reinterpret_cast<const unsigned char*>(&value);
  for (size_t i = 0; i < sizeof value; ++i) out << std::hex << int(at[i]) << ' ';
  return out.str();
}

template <class T>
std::string shown(const T& value) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << value;
  return out.str();
}

void add_signals(HostState& state) {
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now = {};
    if (sigaction(number, nullptr, &now)) continue;
    const auto handler = reinterpret_cast<size_t>(now.sa_handler);
    state["signal " + std::to_string(number)] = shown(handler) + " flags " + shown(now.sa_flags);
  }
  sigset_t mask;
  sigemptyset(&mask);
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  std::string blocked;
  for (int number = 1; number < NSIG; ++number)
    if (sigismember(&mask, number) == 1) blocked += std::to_string(number) + " ";
  state["signal mask"] = blocked;
  stack_t stack = {};
  sigaltstack(nullptr, &stack);
  state["signal stack"] = shown(stack.ss_sp) + " " + shown(stack.ss_size);
}

void add_arithmetic(HostState& state) {
  unsigned short x87 = 0;
  asm volatile("fnstcw %0" : "=m"(x87));
  state["rounding"] = shown(std::fegetround());
  state["mxcsr"] = shown(_mm_getcsr() & ~0x3fu);  // without what has happened so far
  state["x87 control"] = shown(x87);
  state["omp threads"] = shown(omp_get_max_threads());
  state["omp dynamic"] = shown(omp_get_dynamic());
  state["omp levels"] = shown(omp_get_max_active_levels());
}

void add_files(HostState& state) {
  for (auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the folder's own descriptor
    auto target = std::filesystem::read_symlink(entry.path(), gone);
    const std::string name = entry.path().filename().string();
    if (gone || target.string().ends_with("/fd")) continue;
    const int flags = fcntl(std::stoi(name), F_GETFL);
    state["file " + name] = target.string() + " flags " + shown(flags);
  }
  state["folder"] = std::filesystem::current_path().string();
  const mode_t mask = umask(0);
  umask(mask);
  state["umask"] = shown(mask);
}

void add_limits(HostState& state) {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  state["affinity"] = bytes_of(set);
  state["policy"] = shown(sched_getscheduler(0)) + " " + shown(getpriority(PRIO_PROCESS, 0));
  for (int which : {RLIMIT_CORE, RLIMIT_NOFILE, RLIMIT_STACK, RLIMIT_AS, RLIMIT_MEMLOCK}) {
    rlimit limit = {};
    getrlimit(__rlimit_resource(which), &limit);
    state["limit " + std::to_string(which)] = shown(limit.rlim_cur) + " " + shown(limit.rlim_max);
  }
  char name[16] = {};
  prctl(PR_GET_NAME, name);
  state["thread name"] = name;
  state["dumpable"] = shown(prctl(PR_GET_DUMPABLE));
}

void add_language(HostState& state) {
  state["locale of C"] = std::setlocale(LC_ALL, nullptr);
  std::ostringstream number;  // the global locale's commas show in it
  number << 1234567.5;
  state["locale of C++"] = std::locale().name() + " " + number.str();
  state["cout"] =
      shown(std::cout.flags()) + " " + shown(std::cout.rdbuf()) + shown(std::cout.tie());
  state["terminate"] = shown(reinterpret_cast<size_t>(std::get_terminate()));
  state["new handler"] = shown(reinterpret_cast<size_t>(std::get_new_handler()));
  for (char** at = environ; *at; ++at) {
    const std::string entry = *at;
    state["environment " + entry.substr(0, entry.find('='))] = entry;
  }
}

}  // namespace

HostState host_state() {
  HostState state;
  add_signals(state);
  add_arithmetic(state);
  add_files(state);
  add_limits(state);
  add_language(state);
  return state;
}

std::string differences(const HostState& before, const HostState& after) {
  std::string text;
  HostState all = before;
  all.insert(after.begin(), after.end());
  for (auto& [name, unused] : all) {
    const auto old = before.find(name), now = after.find(name);
    const std::string was = old == before.end() ? "(none)" : old->second;
    const std::string is = now == after.end() ? "(none)" : now->second;
    if (was != is) text += name + ": " + was + " -> " + is + "\n";
  }
  return text;
}

int threads_now() {
  int count = 0;
  for (auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    count += entry.exists() ? 1 : 0;
  return count;
}
