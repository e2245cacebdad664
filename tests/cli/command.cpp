#include "cli/command.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace braid::test {
namespace {

[[noreturn]] void become(const std::vector<std::string>& arguments, const Environment& environment,
                         int out, const std::string& err_path) {
  for (auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
  int err = open(err_path.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  // A test runner may ignore what the command must hear.
  for (int s : {SIGINT, SIGTERM, SIGUSR1, SIGHUP, SIGPIPE}) std::signal(s, SIG_DFL);
  std::string binary = std::string(BRAID_BINARY_DIR) + "/bin/braid";
  std::vector<char*> words = {binary.data()};
  auto copy = arguments;
  for (auto& word : copy) words.push_back(word.data());
  words.push_back(nullptr);
  execv(binary.c_str(), words.data());
  _exit(127);
}

}  // namespace

std::vector<Json> Outcome::lines() const {
  std::vector<Json> all;
  std::istringstream in(out);
  for (std::string line; std::getline(in, line);) all.push_back(Json::parse(line));
  return all;
}

Running::Running(const std::vector<std::string>& arguments, const Environment& environment) {
  char name[] = "/tmp/braid-test-err-XXXXXX";
  close(mkstemp(name));
  err_path_ = name;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) throw std::runtime_error("no pipe");
  child_ = fork();
  if (child_ == 0) become(arguments, environment, ends[1], err_path_);
  close(ends[1]);
  out_ = ends[0];
}

Running::~Running() {
  if (child_ > 0) {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  close_out();
  unlink(err_path_.c_str());
}

bool Running::wait_for(const std::string& text) {
  while (text.empty() || seen_.find(text) == std::string::npos) {
    char buffer[4096];
    ssize_t n = read(out_, buffer, sizeof buffer);
    if (n <= 0) return false;
    seen_.append(buffer, size_t(n));
  }
  return true;
}

void Running::send(int signal) { kill(child_, signal); }

void Running::close_out() {
  if (out_ >= 0) close(out_);
  out_ = -1;
}

Outcome Running::finish() {
  if (out_ >= 0) wait_for("");
  int status = 0;
  waitpid(child_, &status, 0);
  child_ = -1;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), seen_,
          read_text(err_path_)};
}

Outcome braid_command(const std::vector<std::string>& arguments, const Environment& environment) {
  return Running(arguments, environment).finish();
}

Folder::Folder() {
  char name[] = "/tmp/braid-test-XXXXXX";
  if (!mkdtemp(name)) throw std::runtime_error("no temporary folder");
  path_ = name;
}

Folder::~Folder() { std::filesystem::remove_all(path_); }

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool exists(const std::string& path) { return std::filesystem::exists(path); }

std::string source(const std::string& path) { return std::string(BRAID_SOURCE_DIR) + "/" + path; }

}  // namespace braid::test
