// Event schema files: read, refused, written.

#include "rules/schema_file.h"

#include <catch2/catch.hpp>

#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

using cep::Type;
using cep::TypeKind;
using testing::FormatAll;

}  // namespace

TEST_CASE("Schema file: all types", "[rules][unit]") {
  const SchemaResult result =
      LoadSchemaText("s",
                     "fields:\n  a: int\n  b: double\n  c: string\n  d: bool\n"
                     "  e: bytes\n  f: timestamp\n  g: duration\n  h: dyn\n"
                     "  i: list(map(string, list( int )))\n  j: list\n"
                     "  k: {x: int, y: {z: string}}\n  l: {}\n");
  INFO(FormatAll(result.diagnostics));
  REQUIRE(result.schema != nullptr);
  CHECK(result.schema->strict_types());
  CHECK(result.schema->Find("a")->type == Type(TypeKind::kInt));
  CHECK(result.schema->Find("i")->type ==
        Type::List(Type::Map(TypeKind::kString, Type::List(TypeKind::kInt))));
  CHECK(result.schema->Find("j")->type == Type::List(TypeKind::kDyn));
  CHECK(result.schema->Find("k")->type.Find("y")->type.Find("z")->type == Type(TypeKind::kString));
}

TEST_CASE("Schema file: what is no schema", "[rules][unit]") {
  const auto [text, code, line] = GENERATE(table<std::string, std::string, uint32_t>({
      {"", "V0105", 0},
      {"[]", "V0103", 1},
      {"field:\n  a: int\n", "V0101", 1},
      {"fields: [a]\n", "V0103", 1},
      {"fields:\n  a: integer\n", "V0117", 2},
      {"fields:\n  a: list(strin)\n", "V0117", 2},
      {"fields:\n  a: map(int, string)\n", "V0117", 2},
      {"fields:\n  a:\n", "V0117", 2},
      {"fields:\n  a: [int]\n", "V0117", 2},
      {"fields:\n  a: int\n  a: int\n", "V0009", 3},
      {"fields:\n  a: {b: {c: nothing}}\n", "V0117", 2},
      {"fields: {a: int\n", "V0004", 2},
  }));
  const SchemaResult result = LoadSchemaText("s", text);
  INFO(text << FormatAll(result.diagnostics));
  CHECK(result.schema == nullptr);
  REQUIRE(!result.diagnostics.empty());
  CHECK(result.diagnostics[0].code == code);
  CHECK(result.diagnostics[0].line == line);
}

TEST_CASE("Schema file: what is written is read back", "[rules][unit]") {
  const std::vector<cep::Field> fields = {
      {"a", TypeKind::kInt},
      {"true", TypeKind::kString},
      {"12", TypeKind::kDouble},
      {"with: \"colon\" \\ and \n", TypeKind::kBool},
      {"日本", TypeKind::kTimestamp},
      {"", TypeKind::kDyn},
      {"list", Type::List(Type::List(TypeKind::kString))},
      {"map", Type::Map(TypeKind::kString, TypeKind::kDyn)},
      {"object", Type::Object({{"x", TypeKind::kBytes}, {"y", Type::Object({})}})},
  };
  std::vector<cep::Field> named = fields;
  named.erase(named.begin() + 5);  // a field without a name cannot be written
  const cep::Schema schema(named, cep::Schema::Undeclared::kError);
  const std::string text = WriteSchema(schema);
  const SchemaResult result = LoadSchemaText("s", text);
  INFO(text << FormatAll(result.diagnostics));
  REQUIRE(result.schema != nullptr);
  CHECK(result.schema->fields() == named);
}

TEST_CASE("Schema file: an object in a list is written as dyn", "[rules][unit]") {
  const cep::Schema schema({{"items", Type::List(Type::Object({{"x", TypeKind::kInt}}))}},
                           cep::Schema::Undeclared::kError);
  CHECK(WriteSchema(schema) == "fields:\n  items: dyn\n");
  CHECK(WriteSchema(cep::Schema()) == "fields: {}\n");
}

}  // namespace vigil::rules
