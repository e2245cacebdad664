// guest braid|torch FILE REPORT: a host that has set everything in its own way lets Braid and
// libtorch work, the one that is named first, by turns and then at once. What Braid leaves changed
// in the process, and results that are not the same each time, go to REPORT; Braid's results to
// FILE. The exit code is 0 if nothing was wrong.
#include <sched.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <cfenv>
#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <locale>
#include <thread>

#include "braid_part.h"
#include "host_state.h"
#include "torch_part.h"

namespace {

struct Comma : std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

void hosts_handler(int) {}

class Host {
 public:
  explicit Host(std::ofstream report) : report_(std::move(report)) {}

  /// Nothing is left as a process finds it.
  void settle() {
    for (int number : {SIGINT, SIGTERM, SIGSEGV, SIGFPE, SIGBUS, SIGILL, SIGABRT, SIGCHLD, SIGPIPE,
                       SIGUSR1, SIGUSR2, SIGHUP, SIGALRM})
      std::signal(number, hosts_handler);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGWINCH);
    sigprocmask(SIG_BLOCK, &mask, nullptr);
    if (!std::setlocale(LC_ALL, "de_DE.UTF-8")) report_ << "note: no locale de_DE.UTF-8 here\n";
    std::locale::global(std::locale(std::locale(), new Comma));
    pin(0);
  }

  /// What is compared does differ when something is done to it.
  void prove_that_changes_show() {
    const HostState before = host_state();
    const std::string language = std::setlocale(LC_ALL, nullptr);
    std::signal(SIGUSR1, SIG_IGN);
    std::fesetround(FE_DOWNWARD);
    setenv("BRAID_GUEST", "1", 1);
    const std::locale commas = std::locale::global(std::locale::classic());
    const int file = dup(0);
    const std::string seen = differences(before, host_state());
    for (const char* part :
         {"signal 10", "rounding", "mxcsr", "environment BRAID_GUEST", "locale of C++", "file "})
      if (seen.find(part) == std::string::npos) wrong(std::string("not seen: ") + part);
    close(file);
    std::locale::global(commas);
    std::setlocale(LC_ALL, language.c_str());
    unsetenv("BRAID_GUEST");
    std::fesetround(FE_TONEAREST);
    std::signal(SIGUSR1, hosts_handler);
    if (auto left = differences(before, host_state()); !left.empty()) wrong("left: " + left);
  }

  void torch(const char* when) {
    auto results = torch_work();
    if (torch_first_.empty()) torch_first_ = results;
    if (results != torch_first_) wrong(std::string("torch's results differ ") + when);
  }

  void braid(const char* when) {
    std::srand(11);
    const int expected = std::rand();
    std::srand(11);
    const int threads = torch_threads();
    const HostState before = host_state();
    auto results = braid_work();
    const std::string changed = differences(before, host_state());
    if (!changed.empty()) wrong(std::string("changed by Braid ") + when + ":\n" + changed);
    if (torch_threads() != threads) wrong("torch has another number of threads");
    if (std::rand() != expected) wrong("Braid draws from rand()");
    if (braid_first_.empty()) braid_first_ = results;
    if (std::memcmp(results.data(), braid_first_.data(), results.size() * sizeof(float)) != 0 ||
        results.size() != braid_first_.size())
      wrong(std::string("Braid's results differ ") + when);
  }

  /// While the host rounds up and has no denormals.
  void braid_in_odd_arithmetic() {
    const unsigned control = _mm_getcsr();
    std::fesetround(FE_UPWARD);
    _mm_setcsr(_mm_getcsr() | 0x8040);
    braid("in odd arithmetic");
    std::fesetround(FE_TONEAREST);
    _mm_setcsr(control);
  }

  void both_at_once() {
    std::vector<float> theirs, ours;
    std::thread one([&] { theirs = torch_work(); });
    std::thread two([&] { ours = braid_work(); });
    one.join();
    two.join();
    if (theirs != torch_first_) wrong("torch's results differ beside Braid");
    if (ours != braid_first_) wrong("Braid's results differ beside torch");
  }

  void unpin() { sched_setaffinity(0, sizeof all_, &all_); }

  void write(const char* path) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(braid_first_.data()),
               std::streamsize(braid_first_.size() * sizeof(float)));
  }

  void say(const std::string& text) { report_ << text << std::endl; }
  bool well() const { return well_; }

 private:
  void pin(int cpu) {
    sched_getaffinity(0, sizeof all_, &all_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
  }

  void wrong(const std::string& what) {
    well_ = false;
    say("WRONG: " + what);
  }

  std::ofstream report_;
  cpu_set_t all_ = {};
  std::vector<float> torch_first_, braid_first_;
  bool well_ = true;
};

}  // namespace

int main(int, char** argv) {
  Host host{std::ofstream(argv[3])};
  const int threads = threads_now();
  if (std::string(argv[1]) == "torch") host.torch("at first");
  host.settle();
  host.prove_that_changes_show();
  host.braid("on one CPU");
  host.torch("on one CPU");
  host.unpin();
  host.braid("on all CPUs");
  host.torch("on all CPUs");
  host.braid_in_odd_arithmetic();
  host.torch("after odd arithmetic");
  host.both_at_once();
  host.braid("at last");
  host.torch("at last");
  host.write(argv[2]);
  host.say("threads: " + std::to_string(threads) + " at first, " + std::to_string(threads_now()) +
           " when all is closed");
  return host.well() ? 0 : 1;
}
