// docs/cel-functions.md is what the table of functions says.
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "rules/cel/functions.h"
#include "rules/cel/reference.h"
#include "tests/rules/support.h"

namespace vigil::rules::cel {

TEST_CASE("CEL reference: the page is what the table says", "[rules][unit]") {
  constexpr const char* kPage = "docs/cel-functions.md";
  const std::string marker = "<!-- generated from here on: rules/cel/functions.h -->\n\n";
  const std::string page = testing::ReadText(kPage);
  const size_t begin = page.find(marker);
  REQUIRE(begin != std::string::npos);
  const std::string head = page.substr(0, begin + marker.size());
  if (std::getenv("VIGIL_UPDATE_EXPECTED") != nullptr) {
    std::ofstream(kPage, std::ios::binary) << head << FunctionReferenceMarkdown();
    return;
  }
  INFO("run this test with VIGIL_UPDATE_EXPECTED=1 to write it anew");
  CHECK(page == head + FunctionReferenceMarkdown());
}

TEST_CASE("CEL reference: signatures read as they are written", "[rules][unit]") {
  CHECK(ReadableSignature("list(<T>).first() -> optional_type(<T>)") ==
        "list(T).first() -> optional_type(T)");
  CHECK(ReadableSignature("_+_(list(<T>), list(<T>)) -> list(<T>)") ==
        "list(T) + list(T) -> list(T)");
  CHECK(ReadableSignature("-_(int) -> int") == "-int -> int");
  CHECK(ReadableSignature("geo.distance_km(<number>, <number>) -> double") ==
        "geo.distance_km(number, number) -> double");
}

TEST_CASE("CEL reference: a word finds its functions", "[rules][unit]") {
  CHECK(FunctionReferenceText("BASE64") ==
        "Encodings\n"
        "  base64.encode(bytes) -> string\n"
        "      The bytes in base64, padded.\n"
        "  base64.decode(string) -> bytes\n"
        "      The bytes that base64 stands for, padded or not.\n");
  CHECK(FunctionReferenceText("no such word").empty());
}

TEST_CASE("CEL reference: every topic has functions, no signature comes twice", "[rules][unit]") {
  std::set<std::string_view> signatures;
  size_t rows = 0;
  for (const FunctionTopic& topic : FunctionTopics()) {
    CHECK_FALSE(topic.rows().empty());
    for (const FunctionRow& row : topic.rows()) {
      ++rows;
      signatures.insert(row.signature);
    }
  }
  CHECK(signatures.size() == rows);
}

}  // namespace vigil::rules::cel
