// The line that lives on a terminal: a pseudo terminal stands in for one.
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

namespace braid::test {
namespace {

/// What a training run shows on a terminal so wide.
std::string shown(int columns, const Environment& environment) {
  Folder folder;
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_TRUE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
  const winsize size = {.ws_row = 24, .ws_col = static_cast<unsigned short>(columns)};
  ioctl(master, TIOCSWINSZ, &size);
  const int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  const std::string binary = std::string(BRAID_BINARY_DIR) + "/bin/braid", net = digits(),
                    out = folder / "run";
  const pid_t child = fork();
  if (child == 0) {
    for (auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    dup2(slave, STDOUT_FILENO);
    dup2(slave, STDERR_FILENO);
    execl(binary.c_str(), "braid", "train", net.c_str(), "--steps", "30", "--out", out.c_str(),
          nullptr);
    _exit(127);
  }
  close(slave);
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = read(master, buffer, sizeof buffer)) > 0;) text.append(buffer, size_t(n));
  close(master);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return text;
}

Environment terminal(const std::string& kind) {
  return {{"TERM", kind}, {"LC_ALL", "C.UTF-8"}, {"NO_COLOR", ""}};
}

/// What stands behind each return to the line's begin, without escapes.
std::vector<std::string> drawings(const std::string& text) {
  std::vector<std::string> all;
  const std::string begin = "\r\033[K";
  for (size_t at = text.find(begin); at != text.npos; at = text.find(begin, at + 1)) {
    const size_t end = text.find_first_of("\r\n", at + begin.size());
    const auto raw = text.substr(at + begin.size(), end - at - begin.size());
    std::string plain;
    for (size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '\033')
        i = raw.find('m', i);
      else
        plain += raw[i];
    }
    all.push_back(plain);
  }
  return all;
}

int columns_of(const std::string& text) {
  int n = 0;
  for (char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

TEST(Terminal, OneLineIsDrawnAnewAndFits) {
  for (int columns : {120, 60, 30, 12}) {
    const auto text = shown(columns, terminal("xterm"));
    const auto lines = drawings(text);
    ASSERT_GT(lines.size(), 1u) << text;
    bool steps = false;
    for (auto& line : lines) {
      if (line.find("test:") != line.npos) continue;  // stays, and may wrap
      steps |= line.starts_with("epoch ");
      EXPECT_LE(columns_of(line), columns) << line;
    }
    EXPECT_TRUE(steps) << text;
    if (columns < 100) continue;
    for (const char* part : {"/30", "loss ", "images/s"})
      EXPECT_NE(lines.front().find(part), std::string::npos) << lines.front();
    EXPECT_NE(text.find("\033[32m"), std::string::npos) << "it has colours";
  }
}

TEST(Terminal, NoColorIsRespected) {
  auto environment = terminal("xterm");
  environment["NO_COLOR"] = "1";
  const auto text = shown(100, environment);
  EXPECT_FALSE(drawings(text).empty());
  for (size_t at = text.find('\033'); at != text.npos; at = text.find('\033', at + 1))
    EXPECT_EQ(text.substr(at, 3), "\033[K");
}

TEST(Terminal, ADumbOneGetsPlainLines) {
  const auto text = shown(100, terminal("dumb"));
  EXPECT_EQ(text.find('\033'), std::string::npos) << text;
  EXPECT_TRUE(drawings(text).empty());
  EXPECT_NE(text.find("step 30/30"), std::string::npos) << text;
}

}  // namespace
}  // namespace braid::test
