// Schemas from samples.
#include "ingest/infer.h"

#include <catch2/catch.hpp>

#include "io/rewindable_source.h"
#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

std::string ToText(const cep::Type& type) {
  if (type.kind == cep::TypeKind::kList) return "list(" + ToText(type.element()) + ")";
  if (type.kind != cep::TypeKind::kObject) return type.ToString();
  std::string out;
  for (const cep::Field& field : type.fields) {
    out += (out.empty() ? "{" : " ") + field.name + ":" + ToText(field.type);
  }
  return out + "}";
}

std::string Infer(const std::string& path, const std::string& text, size_t max_records = 0) {
  SchemaInference inference;
  REQUIRE(inference.AddInput(path, std::make_unique<TextSource>(text), max_records).ok());
  const cep::Schema schema = inference.Finish();
  CHECK(schema.undeclared() == cep::Schema::Undeclared::kDynWarning);
  return ToText(cep::Type::Object(schema.fields()));
}

TEST_CASE("SchemaInference: what values of a field have in common", "[ingest][unit]") {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"a":1})", "{a:int}"},
      {"{\"a\":1}\n{\"a\":2.5}", "{a:double}"},
      {"{\"a\":2.5}\n{\"a\":null}", "{a:double}"},
      {"{\"a\":18446744073709551615}", "{a:double}"},
      {"{\"a\":1}\n{\"a\":\"x\"}", "{a:dyn}"},
      {"{\"a\":null}", "{a:dyn}"},
      {"{\"a\":true,\"b\":\"x\"}\n{\"c\":1}", "{a:bool b:string c:int}"},
      {"{\"b\":1,\"a\":1}\n{\"a\":1,\"c\":1,\"b\":1}", "{b:int a:int c:int}"},
      {"{\"a\":[1,2.5]}\n{\"a\":[]}", "{a:list(double)}"},
      {"{\"a\":[]}", "{a:list(dyn)}"},
      {"{\"a\":[1,\"x\"]}", "{a:list(dyn)}"},
      {"{\"a\":{\"x\":1}}\n{\"a\":{\"y\":[{\"z\":true}]}}", "{a:{x:int y:list({z:bool})}}"},
      {"{\"a\":{}}", "{a:dyn}"},
      {"{\"a\":{\"x\":1}}\n{\"a\":[1]}", "{a:dyn}"},
      {"{\"a\":1}\nnot json\n{\"a\":1}}\n{\"b\":1}", "{a:int b:int}"},
  };
  for (const auto& [lines, expected] : cases) {
    INFO(lines);
    CHECK(Infer("x.jsonl", lines) == expected);
  }
}

TEST_CASE("SchemaInference: CSV columns by what their cells look like", "[ingest][unit]") {
  CHECK(Infer("x.csv", "n,d,b,s,q,none\n1,1,true,x,\"1\",\n2,2.5,FALSE,007,\"2\",\n") ==
        "{n:int d:double b:bool s:string q:string none:dyn}");
}

TEST_CASE("SchemaInference: stops at the limit, and several inputs add up", "[ingest][unit]") {
  CHECK(Infer("x.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"a\":\"x\"}", 2) == "{a:int}");
  SchemaInference inference;
  REQUIRE(inference.AddInput("x.jsonl", std::make_unique<TextSource>("{\"a\":1}"), 0).ok());
  REQUIRE(inference.AddInput("x.csv", std::make_unique<TextSource>("a\n1.5\n"), 0).ok());
  CHECK(inference.Finish().Find("a")->type == cep::Type(cep::TypeKind::kDouble));
}

TEST_CASE("SchemaInference: an object with very many names is a map by id", "[ingest][unit]") {
  std::string line = "{\"a\":{";
  for (size_t i = 0; i <= SeenValues::kMaxFields; ++i) {
    line += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
  }
  CHECK(Infer("x.jsonl", line + "}}") == "{a:dyn}");
}

TEST_CASE("SchemaInference: a rewindable source is read again from its start", "[ingest][unit]") {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += "{\"ts\":" + std::to_string(i) + "}\n";
  auto bytes = std::make_unique<io::RewindableSource>(std::make_unique<TextSource>(text, 1000));
  SchemaInference inference;
  REQUIRE(inference.AddInput("-", bytes.get(), 10).ok());
  CHECK(inference.records() == 10);
  bytes->Rewind();
  LineReader lines(std::move(bytes));
  Line line;
  for (int i = 0; i < 50'000; ++i) {
    if (!lines.Next(&line)) FAIL("ended at " << i);
    if (line.text != "{\"ts\":" + std::to_string(i) + "}") FAIL(line.text);
  }
  CHECK_FALSE(lines.Next(&line));
}

}  // namespace
}  // namespace vigil::ingest
