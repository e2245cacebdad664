// Completion as a shell does it, over the script that the command writes; and the manual.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <regex>
#include <sstream>

#include "cli/command.h"

namespace braid::test {
namespace {

using Words = std::vector<std::string>;

Words lines_of(const std::string& text) {
  std::istringstream in(text);
  Words lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool holds(const Words& words, const std::string& word) {
  return std::ranges::find(words, word) != words.end();
}

/// What a shell prints; it may quote nothing of ours.
std::string shell(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  for (int c; (c = std::fgetc(pipe)) != EOF;) out += char(c);
  EXPECT_EQ(pclose(pipe), 0) << command << "\n" << out;
  return out;
}

bool installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null").c_str()) == 0;
}

/// A folder with networks and other files, and the script of one shell.
class Completion : public testing::Test {
 protected:
  void script_of(const std::string& shell_name) {
    auto script = braid_command({"completion", shell_name});
    ASSERT_EQ(script.code, 0) << script.err;
    write_text(folder_ / "script", script.out);
    std::filesystem::create_directory(folder_ / "some folder");
    for (const char* name : {"net.yaml", "other.yml", "w.safetensors", "notes.txt", "t.json"})
      write_text(folder_ / name, "");
  }

  static Words sorted(Words words) {
    std::ranges::sort(words);
    return words;
  }

  /// What bash offers for the last of the words, which stand behind `braid`.
  Words bash(const Words& words) const {
    std::string line = "cd '" + folder_.path() + "' && bash -c '. ./script; COMP_WORDS=(braid";
    for (auto& word : words) line += " \"" + word + "\"";
    line += "); COMP_CWORD=" + std::to_string(words.size());
    return lines_of(shell(line + "; _braid; printf \"%s\\n\" \"${COMPREPLY[@]}\"'"));
  }

  /// What the help lists: `section` has lines of two blanks and a name.
  static Words listed(const Words& command, const std::regex& pattern) {
    auto help = braid_command(command);
    EXPECT_EQ(help.code, 0) << help.err;
    Words found;
    for (auto& line : lines_of(help.out))
      if (std::smatch match; std::regex_search(line, match, pattern)) found.push_back(match[1]);
    return found;
  }
  static Words commands() { return listed({"--help"}, std::regex("^  ([a-z][a-z-]+) +[A-Z]")); }

  Folder folder_;
};

TEST_F(Completion, OffersEveryCommandAndEveryOption) {
  script_of("bash");
  const Words all = commands();
  ASSERT_GT(all.size(), 18u);
  EXPECT_EQ(bash({""}), all);
  EXPECT_EQ(bash({"tes"}), Words{"test-layer"});
  EXPECT_TRUE(holds(bash({"--"}), "--version"));
  for (auto& command : all) {
    auto offered = bash({command, "-"});
    auto options = listed({command, "--help"}, std::regex("^  (?:-[a-z],)?(--[a-z-]+)"));
    EXPECT_TRUE(holds(options, "--help")) << command;
    for (auto& option : options) EXPECT_TRUE(holds(offered, option)) << command << " " << option;
  }
}

TEST_F(Completion, OffersFilesByWhatIsRead) {
  script_of("bash");
  EXPECT_EQ(sorted(bash({"check", ""})), (Words{"net.yaml", "other.yml", "some folder"}));
  EXPECT_EQ(bash({"check", "n"}), Words{"net.yaml"});
  EXPECT_EQ(bash({"train", "net.yaml", "--weights", "w"}), Words{"w.safetensors"});
  EXPECT_EQ(bash({"train", "--out", ""}), Words{"some folder"});
  EXPECT_EQ(bash({"trace", "t"}), Words{"t.json"});
  EXPECT_EQ(sorted(bash({"compare", "n"})), (Words{"net.yaml", "notes.txt"}));
}

TEST_F(Completion, OffersValues) {
  script_of("bash");
  EXPECT_EQ(bash({"train", "--engine", ""}), (Words{"tbb", "serial"}));
  EXPECT_EQ(bash({"train", "--engine", "=", "se"}), Words{"serial"});
  EXPECT_EQ(bash({"train", "--engine", "="}), (Words{"tbb", "serial"}));
  EXPECT_EQ(bash({"plan", "--isa", "avx"}), (Words{"avx2", "avx512"}));
  EXPECT_EQ(bash({"completion", ""}), (Words{"bash", "zsh", "fish"}));
  EXPECT_EQ(bash({"layers", "ConvT"}), (Words{"ConvTranspose1d", "ConvTranspose2d"}));
  EXPECT_EQ(bash({"test-layer", "AdamW"}), Words{"AdamW"});
  EXPECT_EQ(bash({"explain", "E0203"}), Words{"E0203"});
  EXPECT_EQ(bash({"check", "--deny", "warn"}), Words{"warnings"});
  for (auto& code : bash({"check", "--allow", ""})) EXPECT_EQ(code[0], 'W') << code;
  EXPECT_EQ(bash({"train", "--steps", ""}), Words{""});
  auto passes = bash({"train", "--disable-pass", ""});
  ASSERT_FALSE(passes.empty());
  EXPECT_EQ(bash({"train", "--disable-pass", "x," + passes.front()}), Words{"x," + passes.front()});
}

TEST_F(Completion, OfFishIsTheSame) {
  if (!installed("fish")) GTEST_SKIP() << "fish is not installed";
  script_of("fish");
  auto fish = [&](const std::string& line) {
    Words offered;
    for (auto& text :
         lines_of(shell("cd '" + folder_.path() + "' && HOME=$PWD fish --no-config -c " +
                        "'source script; complete -C \"braid " + line + "\"'")))
      offered.push_back(text.substr(0, text.find('\t')));
    return offered;
  };
  EXPECT_EQ(sorted(fish("")), sorted(commands()));
  EXPECT_TRUE(holds(fish("train --"), "--check-finite"));
  EXPECT_EQ(fish("train --engine "), (Words{"tbb", "serial"}));
  EXPECT_TRUE(holds(fish("check "), "net.yaml"));
  EXPECT_EQ(fish("explain E0203"), Words{"E0203"});
}

// zsh completes on a terminal only: what is looked at is what the script hands to its functions.
TEST_F(Completion, OfZshIsTheSame) {
  if (!installed("zsh")) GTEST_SKIP() << "zsh is not installed";
  script_of("zsh");
  auto zsh = [&](const std::string& words, int current) {
    return lines_of(shell("cd '" + folder_.path() +
                          "' && zsh -f -c 'compdef() { }; _arguments() { print -rl -- \"$@\" }; "
                          "_describe() { print -rl -- $commands }; . ./script; words=(" +
                          words + "); CURRENT=" + std::to_string(current) + "; _braid'"));
  };
  Words names;
  for (auto& line : zsh("braid \"\"", 2)) names.push_back(line.substr(0, line.find(':')));
  EXPECT_EQ(names, commands());
  auto specs = zsh("braid train -", 3);
  EXPECT_TRUE(holds(specs,
                    "(--engine)--engine=[How the plan is executed; same bits]:tbb|serial:"
                    "(tbb serial)"));
  EXPECT_TRUE(holds(specs, "1:NET:_files -g \"*.(yaml|yml)\""));
  EXPECT_TRUE(std::ranges::any_of(
      specs, [](auto& spec) { return spec.starts_with("*--set=[Replace a param"); }));
}

TEST(Manual, NamesEveryCommandAndOption) {
  auto page = braid_command({"manual"});
  ASSERT_EQ(page.code, 0) << page.err;
  EXPECT_TRUE(page.out.starts_with(".TH BRAID 1")) << page.out.substr(0, 80);
  for (const char* part : {".SS braid train NET", "\\fB\\-\\-check\\-finite\\fR",
                           "\\fB\\-\\-devices\\fR \\fILIST\\fR", ".SH EXIT STATUS"})
    EXPECT_NE(page.out.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace braid::test
