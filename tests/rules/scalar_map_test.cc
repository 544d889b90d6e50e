// Every byte of a scalar's value is traced back to the byte of the file it came from.

#include "rules/scalar_map.h"

#include <catch2/catch.hpp>

#include "rules/yaml_reader.h"

namespace vigil::rules {
namespace {

// The value of key `k`, and its map.
struct Scalar {
  Reporter reporter;
  std::unique_ptr<Document> document;
  const Node* node = nullptr;

  explicit Scalar(const std::string& text) : document(ReadYaml("t", text, &reporter)) {
    REQUIRE(document->root != nullptr);
    node = document->root->Find("k");
    REQUIRE(node != nullptr);
  }
  // The file's text for the first `word` of the value.
  std::string Source(const std::string& word) const {
    const size_t at = node->value.find(word);
    REQUIRE(at != std::string::npos);
    const Range range = ScalarMap(document->source, *node)
                            .At(static_cast<uint32_t>(at), static_cast<uint32_t>(at + word.size()));
    return document->source.text().substr(range.begin, range.end - range.begin);
  }
};

}  // namespace

TEST_CASE("Scalar map: the token in the file", "[rules][unit]") {
  // `amount` is searched in the value; the text is what stands for it in the file.
  const auto [text, source] = GENERATE(table<std::string, std::string>({
      {"k: a && amount > 1", "amount"},
      {"k: a &&\n    b &&\n\n    amount > 1", "amount"},
      {"k: a &&\r\n    amount > 1\r\n", "amount"},
      {"k: 'it''s amount'", "amount"},
      {"k: \"x\\\"\\t\\u0041 amount\"", "amount"},
      {"k: \"x \\\n   amount\"", "amount"},
      {"k: \"x   \n\n\n   amount\"", "amount"},
      {"k: \"\\u0061mount\"", "\\u0061mount"},
      {"k: \"amou\\x6et\"", "amou\\x6et"},
      {"k: |\n  x\n\n  amount\n", "amount"},
      {"k: |2-\n    x\n   amount\n", "amount"},
      {"k: |+ # why\n  x\n  amount\n\n\n", "amount"},
      {"k: >\n  x\n  y\n\n  amount\n", "amount"},
      {"k: >-\n  x\n\n\n    more indented\n    z\n  amount\n  w\n", "amount"},
      {"k: >1\n   x\n y\n   z\n\n amount\n", "amount"},
      {"k: >\r\n  x\r\n  amount\r\n", "amount"},
      {"k: \"東京 é amount\"", "amount"},
      {"k: &anchor amount", "amount"},
      {"j:\n  - &a >\n     x\n     amount\nk: *a\n", "amount"},
      {"{\"k\": \"x\\namount\"}", "amount"},
  }));
  INFO(text);
  CHECK(Scalar(text).Source("amount") == source);
}

TEST_CASE("Scalar map: places past the end are at the end", "[rules][unit]") {
  const Scalar scalar("k: 'abc'\n");
  const Range range = ScalarMap(scalar.document->source, *scalar.node).At(3, 3);
  CHECK(range.begin == 7);
}

TEST_CASE("Scalar map: what is folded away belongs to the line break", "[rules][unit]") {
  const Scalar scalar("k: >\n  a\n  b\n");
  const Range range = ScalarMap(scalar.document->source, *scalar.node).At(1, 2);
  CHECK(scalar.document->source.text()[range.begin] == '\n');
}

}  // namespace vigil::rules
