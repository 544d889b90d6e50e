// YAML 1.2 typing, styles, aliases, and where everything stands.

#include "rules/yaml_reader.h"

#include <catch2/catch.hpp>

#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

struct Read {
  Reporter reporter;
  std::unique_ptr<Document> document;

  explicit Read(const std::string& text) : document(ReadYaml("t", text, &reporter)) {}
  const Node& root() const { return *document->root; }
  std::string Text(const Node& node) const {
    return document->source.text().substr(node.range.begin, node.range.end - node.range.begin);
  }
};

// A tree on one line: scalars by type letter, t"x", n, b"true", i"1", f"1.5".
std::string Dump(const Node& node) {
  std::string out;
  if (node.is_scalar()) {
    out = "tnbif"[static_cast<size_t>(node.scalar_type())];
    return out + "<" + std::string(node.value) + ">";
  }
  for (const Node& child : node.children) out += (out.empty() ? "" : " ") + Dump(child);
  return node.is_sequence() ? "[" + out + "]" : "{" + out + "}";
}

}  // namespace

TEST_CASE("YAML reader: core schema types", "[rules][unit]") {
  const auto [text, type] = GENERATE(table<std::string, char>({
      {"yes", 't'},     {"no", 't'},    {"on", 't'},       {"off", 't'},   {"y", 't'},
      {"true", 'b'},    {"False", 'b'}, {"TRUE", 'b'},     {"tRUE", 't'},  {"null", 'n'},
      {"~", 'n'},       {"Null", 'n'},  {"nUll", 't'},     {"0", 'i'},     {"-12", 'i'},
      {"+3", 'i'},      {"0o17", 'i'},  {"0x1F", 'i'},     {"0b1", 't'},   {"1_000", 't'},
      {"017", 'i'},     {"1.5", 'f'},   {"1.", 'f'},       {".5", 'f'},    {"1e3", 'f'},
      {"-1.5E-3", 'f'}, {".inf", 'f'},  {"-.INF", 'f'},    {".nan", 'f'},  {"inf", 't'},
      {"nan", 't'},     {"1e", 't'},    {".", 't'},        {"1.2.3", 't'}, {"2..4", 't'},
      {"1..", 't'},     {"'1'", 't'},   {"\"true\"", 't'}, {"10:30", 't'}, {"2024-01-01", 't'},
      {"''", 't'},      {"0x", 't'},    {"-", 't'},
  }));
  if (text == "-") return;  // an empty list element
  INFO(text);
  const Read read("k: " + text + "\n");
  REQUIRE(read.document->root != nullptr);
  CHECK(Dump(read.root().entry(0))[0] == type);
}

TEST_CASE("YAML reader: numbers", "[rules][unit]") {
  const Read read("[0x1F, 0o17, -9223372036854775808, 9223372036854775808, 017, +5, 1e3, -.inf]");
  std::vector<int64_t> ints;
  for (const Node& node : read.root().children) {
    int64_t value = 0;
    if (ParseYamlInt(node, &value)) ints.push_back(value);
  }
  CHECK(ints == std::vector<int64_t>{31, 15, INT64_MIN, 17, 5});
  double number = 0;
  CHECK((ParseYamlFloat(read.root().children[6], &number) && number == 1000));
  CHECK((ParseYamlFloat(read.root().children[7], &number) && number < -1e308));
}

TEST_CASE("YAML reader: trees", "[rules][unit]") {
  const auto [text, dump] = GENERATE(table<std::string, std::string>({
      {"a: 1\nb: [x, 'y']\n", "{t<a> i<1> t<b> [t<x> t<y>]}"},
      {"{\"a\":1,\"b\":{\"c\":null}}", "{t<a> i<1> t<b> {t<c> n<null>}}"},
      {"a:\r\n  - b\r\n", "{t<a> [t<b>]}"},
      {"\xef\xbb\xbf"
       "a: 1\n",
       "{t<a> i<1>}"},
      {"a: &x [1, 2]\nb: *x\n", "{t<a> [i<1> i<2>] t<b> [i<1> i<2>]}"},
      {"a: &x 1\nb: &x 2\nc: *x\n", "{t<a> i<1> t<b> i<2> t<c> i<2>}"},
      {"a: &x {k: &y v}\nb: [*y, *x]\n", "{t<a> {t<k> t<v>} t<b> [t<v> {t<k> t<v>}]}"},
      {"%YAML 1.2\n---\na\n", "t<a>"},
      {"a: |-\n  x\n   y\n\nb: >\n  p\n  q\n", "{t<a> t<x\n y> t<b> t<p q\n>}"},
      {"\"\\ud7ff \\x41 \\/\"", "t<\xed\x9f\xbf A />"},
      {"[a, b, ]", "[t<a> t<b>]"},
      {"<<: 1", "{t<<<> i<1>}"},
  }));
  INFO(text);
  const Read read(text);
  REQUIRE(read.document->root != nullptr);
  CHECK(Dump(read.root()) == dump);
}

TEST_CASE("YAML reader: ranges are those of the values", "[rules][unit]") {
  const Read read("k: v\nq: \"é\\n\"\nf: [a, {b: c}]\nanchored: &x   # why\n  deep\nl: |\n  t\n");
  const Node& root = read.root();
  CHECK(read.Text(root.key(0)) == "k");
  CHECK(read.Text(root.entry(0)) == "v");
  CHECK(read.Text(root.entry(1)) == "\"é\\n\"");
  CHECK(read.Text(root.entry(2)) == "[a, {b: c}]");
  CHECK(read.Text(root.entry(2).children[1]) == "{b: c}");
  CHECK(read.Text(root.entry(3)) == "deep");
  CHECK(read.Text(root.entry(4)).substr(0, 5) == "|\n  t");
}

TEST_CASE("YAML reader: no document, an empty one", "[rules][unit]") {
  for (const std::string text : {"", "\n# nothing\n", "---\n", "~"}) {
    Read read(text);
    CHECK((read.document->root == nullptr || read.root().is_null()));
    CHECK(read.reporter.Take().empty());
  }
}

TEST_CASE("YAML reader: 64 levels are read, 65 are not", "[rules][unit]") {
  CHECK(Read(std::string(64, '[') + std::string(64, ']')).document->root != nullptr);
  CHECK(Read(std::string(65, '[') + std::string(65, ']')).document->root == nullptr);
}

}  // namespace vigil::rules
