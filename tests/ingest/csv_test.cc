// CSV lines, records and their JSON.
#include "ingest/csv.h"

#include <catch2/catch.hpp>

#include "ingest/csv_renderer.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

using cep::TypeKind;

std::string Split(std::string_view line) {
  std::vector<CsvCell> cells;
  JsonError error;
  if (!SplitCsv(line, &cells, &error)) return std::to_string(error.offset) + " " + error.what;
  Arena arena;
  std::string out;
  for (const CsvCell& cell : cells) {
    out += (cell.quoted ? "Q<" : "<") + std::string(CsvText(cell, &arena)) + ">";
  }
  return out;
}

TEST_CASE("SplitCsv: cells as RFC 4180 has them, within a line", "[ingest][unit]") {
  const std::pair<const char*, const char*> cases[] = {
      {"a,b", "<a><b>"},
      {"", "<>"},
      {",", "<><>"},
      {"a,,c", "<a><><c>"},
      {"\"a,b\",c", "Q<a,b><c>"},
      {"\"a\"\"b\",\"\"", "Q<a\"b>Q<>"},
      {"\"\"\"\"", "Q<\">"},
      {" a , b ", "< a >< b >"},
      {"a\"b,c", "1 a quote inside a cell that does not begin with one"},
      {"\"a\"b,c", "3 text after the closing quote of a cell"},
      {"x,\"open",
       "2 a quoted cell is not closed in its line (line breaks inside cells are not supported)"},
      {"x,\"\"\"",
       "2 a quoted cell is not closed in its line (line breaks inside cells are not supported)"},
      {"a,\xFF", "2 invalid UTF-8"},
  };
  for (const auto& [line, expected] : cases) {
    INFO(line);
    CHECK(Split(line) == expected);
  }
}

TEST_CASE("CsvCodec: cells become their column's type", "[ingest][unit]") {
  struct Case {
    cep::Type type;
    const char* cell;
    const char* row;
  };
  const Case cases[] = {
      {TypeKind::kInt, "12", "12"},
      {TypeKind::kInt, "\"12\"", "12"},
      {TypeKind::kInt, "1.5", "mismatch"},
      {TypeKind::kInt, "", "-"},
      {TypeKind::kInt, "\"\"", "mismatch"},
      {TypeKind::kDouble, "12", "12d"},
      {TypeKind::kDouble, "x", "mismatch"},
      {TypeKind::kBool, "TRUE", "true"},
      {TypeKind::kBool, "0", "mismatch"},
      {TypeKind::kString, "12", "'12'"},
      {TypeKind::kString, "\"\"", "''"},
      {TypeKind::kString, "\"a \"\"q\"\", b\"", "'a \"q\", b'"},
      {TypeKind::kTimestamp, "1970-01-01T00:00:01Z", "timestamp(1s 0ns)"},
      {TypeKind::kTimestamp, "1500", "timestamp(1s 500000000ns)"},
      {TypeKind::kDuration, "10s", "duration(10s 0ns)"},
      {TypeKind::kBytes, "aGk=", "b'hi'"},
      {cep::Type::List(TypeKind::kInt), "\"[1,2]\"", "[1, 2]"},
      {TypeKind::kDyn, "12", "12"},
      {TypeKind::kDyn, "\"12\"", "'12'"},
      {TypeKind::kDyn, "1.5", "1.5d"},
      {TypeKind::kDyn, "False", "false"},
      {TypeKind::kDyn, "007", "'007'"},
  };
  for (const Case& c : cases) {
    INFO(c.cell << " as " << c.type.ToString());
    CHECK(ReadRows({.path = "x.csv", .fields = {{"x", c.type}}},
                   "ts,x\n1," + std::string(c.cell) + "\n") ==
          std::vector<std::string>{"0@1: " + std::string(c.row)});
  }
}

TEST_CASE("CsvCodec: one bad line costs one line", "[ingest][unit]") {
  const SourceCase options = {.path = "x.csv",
                              .fields = {{"n", TypeKind::kInt}, {"no_column", TypeKind::kInt}},
                              .strict_types = true};
  CHECK(
      ReadRows(options,
               "\xEF\xBB\xBF"
               "ts,n\r\n1,1\r\n2,2,2\n\n\"3\n4,x\n,5\n1970-01-01T00:00:00.006Z,6\n") ==
      std::vector<std::string>{
          "0@1: 1 -", "1 rejected: line 3: 3 cells, but the header names 2",
          "2 rejected: line 5, byte 1: not a line of CSV: a quoted cell is not closed in its line "
          "(line breaks inside cells are not supported)",
          "3 rejected: line 6, byte 3: field `n`: expected int, found `x`",
          "4 rejected: line 7, byte 1: no event time: field `ts`: the cell is empty", "5@6: 6 -"});
}

TEST_CASE("CsvCodec: a header must name every column once", "[ingest][unit]") {
  const SourceCase options = {.path = "x.csv"};
  CHECK(ReadRows(options, "a,b,a\n")[0] == "text:1: the CSV header names column `a` twice");
  CHECK(ReadRows(options, "\na,,c\n")[0] == "text:2: the CSV header has no name for column 2");
  CHECK(ReadRows(options, "")[0] == "text: the CSV header is missing");
  CHECK(ReadRows(options, "ts\n").empty());
}

TEST_CASE("CsvCodec: records can carry the positions they stand for", "[ingest][unit]") {
  CHECK(ReadRows({.path = "x.csv", .positions = true},
                 "_source,_topic,_partition,_offset,ts\ns,t,0,17,1\ns,t,x,18,2\n") ==
        std::vector<std::string>{"17@1:",
                                 "1 rejected: line 3, byte 5: field `_partition`: no position: "
                                 "expected an int from 0 to 2147483647"});
}

TEST_CASE("CsvRenderer: an object with the header's names", "[ingest][unit]") {
  const cep::Schema schema({{"zip", TypeKind::kString}, {"n", TypeKind::kInt}},
                           cep::Schema::Undeclared::kError);
  const CsvRenderer renderer({"zip", "n", "a\"b", "d"}, &schema);
  const std::pair<const char*, const char*> cases[] = {
      {"01234,5,x,1.5", R"({"zip":"01234","n":5,"a\"b":"x","d":1.5})"},
      {"1234,\"5\",True,\"7\"", R"({"zip":"1234","n":5,"a\"b":true,"d":"7"})"},
      {",,\"\",\"say \"\"hi\"\"\"", R"({"a\"b":"","d":"say \"hi\""})"},
      {",,,", "{}"},
      {"a,x,\t,01", R"({"zip":"a","n":"x","a\"b":"\u0009","d":"01"})"},
  };
  for (const auto& [line, json] : cases) {
    INFO(line);
    std::string out;
    std::string why;
    CHECK(renderer.AppendJson(line, &out, &why));
    CHECK(out == json);
  }
  std::string out;
  std::string why;
  CHECK_FALSE(renderer.AppendJson("1,2", &out, &why));
  CHECK(why == "2 cells, but the header names 4");
  CHECK(out.empty());
}

}  // namespace
}  // namespace vigil::ingest
