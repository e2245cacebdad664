#include <clocale>

#include <braid/runtime/data.h>
#include <gtest/gtest.h>

#include "runtime/declared.h"
#include "runtime/temp_folder.h"

namespace braid {
namespace {

using test::declared;
using test::error_of;
using test::faults_of;
using test::filled;
using test::TempFolder;

const std::vector<InputDecl> inputs = {{"x", {DType::f32, {N, 2}}}, {"y", {DType::i64, {N}}}};

TypedDict table(Attr columns = "0..1", Attr column = 2, Dict more = {}) {
  Dict params = {{"path", "t.csv"}};
  params.push_back({"x", Dict{{"columns", columns}}});
  params.push_back({"y", Dict{{"column", column}}});
  for (const Entry& entry : more) params.push_back(entry);
  return declared("Csv", params);
}

DataSource open(const TempFolder& folder, std::string_view text, const TypedDict& data = table()) {
  folder.write("t.csv", text);
  return DataSource::open(data, inputs, folder.path());
}

using F = std::vector<float>;
using I = std::vector<int64_t>;

TEST(CsvSource, ReadsColumns) {
  TempFolder folder;
  DataSource source = open(folder, "1,2.5,3\n-4e2, 5 ,6\n");
  EXPECT_EQ(source.size(), 2);
  EXPECT_EQ(filled<float>(source, 0, {1, 0}), (F{-400, 5, 1, 2.5f}));
  EXPECT_EQ(filled<int64_t>(source, 1, {0, 1}), (I{3, 6}));
}

TEST(CsvSource, ReadsWhatOtherProgramsWrite) {
  TempFolder folder;
  EXPECT_EQ(filled<float>(open(folder,
                               "\xef\xbb\xbf"
                               "1,2,3\r\n\r\n4,5,6"),
                          0, {0, 1}),
            (F{1, 2, 4, 5}));
  EXPECT_EQ(filled<float>(open(folder, "\"1\",\"2\",3\n"), 0, {0}), (F{1, 2}));
  EXPECT_EQ(filled<float>(open(folder, "1;2;3\n", table("0..1", 2, {{"delimiter", ";"}})), 0, {0}),
            (F{1, 2}));
  EXPECT_EQ(
      filled<float>(open(folder, "1\t2\t3\n", table("0..1", 2, {{"delimiter", "tab"}})), 0, {0}),
      (F{1, 2}));
}

TEST(CsvSource, FindsColumnsByTitle) {
  TempFolder folder;
  std::string text = "kind,\"a, b\",c\n1,2,3\n";
  TypedDict data = table(Attr::List{"c", "a, b"}, "kind", {{"header", true}});
  DataSource source = open(folder, text, data);
  EXPECT_EQ(source.size(), 1);
  EXPECT_EQ(filled<float>(source, 0, {0}), (F{3, 2}));
  EXPECT_EQ(filled<int64_t>(source, 1, {0}), (I{1}));
  EXPECT_EQ(error_of(folder,
                     [&] {
                       open(folder, text, table("0..1", "kin", {{"header", true}}));
                     }),
            "E0341: '~/t.csv' has no column 'kin' (did you mean 'kind'?); it has 3 columns, "
            "counted from 0");
}

TEST(CsvSource, ScalesAndTakesListsOfColumns) {
  TempFolder folder;
  Dict x = {{"columns", Attr::List{2, 0}}, {"scale", 0.5}, {"mean", 1}, {"std", 2}};
  TypedDict data = declared("Csv", {{"path", "t.csv"}, {"x", x}});
  folder.write("t.csv", "1,2,3\n");
  DataSource source = DataSource::open(data, inputs, folder.path());
  EXPECT_EQ(filled<float>(source, 0, {0}), (F{0.25f, -0.25f}));
  EXPECT_FALSE(source.fills(1));
}

TEST(CsvSource, KeepsLargeIntegersExact) {
  TempFolder folder;
  EXPECT_EQ(filled<int64_t>(open(folder, "1,2,9007199254740993\n1,2,3.0\n"), 1, {0, 1}),
            (I{9007199254740993, 3}));
}

// "file:line:column: code: message" of a table.
std::string fault(std::string_view text, const TypedDict& data = table()) {
  TempFolder folder;
  try {
    open(folder, text, data);
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data);
    const Diagnostic& first = error.diagnostics()[0];
    EXPECT_EQ(first.notes.size(), 1u);
    EXPECT_EQ(to_string(first.notes[0].mark), "net.yaml:1:1");
    return to_string(first.mark).substr(folder.path().size() + 1) + ": " + first.code + ": " +
           first.message;
  }
  return "";
}

TEST(CsvSource, NamesLineAndColumnOfEveryFault) {
  EXPECT_EQ(fault("1,2,3\n4,five,6\n"), "t.csv:2:3: E0345: 'five' is no number");
  EXPECT_EQ(fault("1,2,3\n4,5\n"), "t.csv:2:1: E0345: this line has 2 fields, the first one has 3");
  EXPECT_EQ(fault("1,2,3\n\n4,5,6,7\n"),
            "t.csv:3:1: E0345: this line has 4 fields, the first one has 3");
  EXPECT_EQ(fault("1,nan,3\n"), "t.csv:1:3: E0345: 'nan' is no number");
  EXPECT_EQ(fault("1,  inf,3\n"), "t.csv:1:5: E0345: 'inf' is no number");
  EXPECT_EQ(fault("1,1e999,3\n"), "t.csv:1:3: E0345: '1e999' is no number");
  EXPECT_EQ(fault("1,1e39,3\n"), "t.csv:1:3: E0345: '1e39' is no f32");
  EXPECT_EQ(fault("1,,3\n"), "t.csv:1:3: E0345: '' is no number");
  EXPECT_EQ(fault("1,2,3.5\n"), "t.csv:1:5: E0345: '3.5' is no i64");
  EXPECT_EQ(fault("1,0x10,3\n"), "t.csv:1:3: E0345: '0x10' is no number");
  EXPECT_EQ(fault("1;2,5;3\n", table("0..1", 2, {{"delimiter", ";"}})),
            "t.csv:1:3: E0345: '2,5' is no number");
  EXPECT_EQ(fault("a,b,c\n1,2,3\n"), "t.csv:1:1: E0345: 'a' is no number");
}

TEST(CsvSource, ShowsTheLine) {
  TempFolder folder;
  try {
    open(folder, "1,2,3\n4,five,6\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(source_line(error.diagnostics()[0].mark), "4,five,6");
  }
}

TEST(CsvSource, NumbersDoNotDependOnTheLocale) {
  TempFolder folder;
  const char* set = std::setlocale(LC_ALL, "de_DE.UTF-8");
  EXPECT_EQ(filled<float>(open(folder, "1.5,2,3\n"), 0, {0}), (F{1.5f, 2}));
  if (set) std::setlocale(LC_ALL, "C");
}

TEST(CsvSource, RefusesColumnsThatAreNotThere) {
  TempFolder folder;
  EXPECT_EQ(error_of(folder, [&] { open(folder, "1,2,3\n", table("0..1", 3)); }),
            "E0341: '~/t.csv' has no column 3; it has 3 columns, counted from 0");
  EXPECT_EQ(error_of(folder, [&] { open(folder, "1,2,3\n", table("0..1", "kind")); }),
            "E0341: '~/t.csv' has no column 'kind'; it has 3 columns, counted from 0");
  EXPECT_EQ(error_of(folder, [&] { open(folder, "1,2,3\n", table("0..2")); }),
            "E0341: 3 columns cannot fill input 'x', f32 [N, 2] with 2 values per sample");
}

TEST(CsvSource, RefusesEmptyTables) {
  TempFolder folder;
  for (const char* text : {"", "\n", " \r\n\n"}) {
    EXPECT_EQ(error_of(folder, [&] { open(folder, text); }), "E0343: '~/t.csv' has no samples");
  }
  EXPECT_EQ(error_of(folder,
                     [&] {
                       open(folder, "a,b,c\n", table("0..1", 2, {{"header", true}}));
                     }),
            "E0343: '~/t.csv' has no samples");
}

TEST(CsvSource, ReportsFaultsOfTheDeclaration) {
  EXPECT_EQ(faults_of(declared("Csv", {{"x", Dict{}}, {"delimiter", "1"}}), inputs),
            "net.yaml:1:1: E0332: data source 'Csv': 'path' is missing\n"
            "net.yaml:1:1: E0333: data source 'Csv': 'delimiter' must be one character such as "
            "';', or 'tab', not '1'\n"
            "net.yaml:1:1: E0332: data source 'Csv', input 'x': 'columns' is missing\n");
  for (const Attr& bad : {Attr("3..1"), Attr(-1), Attr(1.5), Attr(Attr::List{}), Attr(true)}) {
    EXPECT_EQ(faults_of(table(bad), inputs),
              "net.yaml:1:1: E0333: data source 'Csv', input 'x': 'columns' must be a range such "
              "as 0..63, or a list, not " +
                  to_string(bad) + "\n");
  }
  EXPECT_EQ(faults_of(table("0..1", "0..1"), inputs),
            "net.yaml:1:1: E0333: data source 'Csv', input 'y': 'column' must be a number or a "
            "title, not '0..1'\n");
}

}  // namespace
}  // namespace braid
