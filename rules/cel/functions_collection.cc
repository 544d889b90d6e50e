// size(): of texts, lists and maps.
#include "rules/cel/functions.h"
#include "rules/cel/values.h"

namespace vigil::rules::cel {
namespace {

using cep::Value;

Value SizeOfString(CallContext&, const Value* args) {
  return Value::Int(CountCodePoints(args[0].text()));
}

Value SizeOf(CallContext&, const Value* args) { return Value::Int(args[0].size); }

}  // namespace

std::vector<FunctionRow> CollectionRows() {
  return {
      {"size(string) -> int", "The number of Unicode code points.", &SizeOfString, Cost::kLinear},
      {"size(bytes) -> int", "The number of bytes.", &SizeOf},
      {"size(list(<T>)) -> int", "The number of items.", &SizeOf},
      {"size(map(<K>, <V>)) -> int", "The number of entries.", &SizeOf},
      {"string.size() -> int", "The number of Unicode code points.", &SizeOfString, Cost::kLinear},
      {"bytes.size() -> int", "The number of bytes.", &SizeOf},
      {"list(<T>).size() -> int", "The number of items.", &SizeOf},
      {"map(<K>, <V>).size() -> int", "The number of entries.", &SizeOf},
  };
}

}  // namespace vigil::rules::cel
