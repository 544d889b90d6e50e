#include "tests/support/pattern_case.h"

#include <map>

#include <simdjson.h>

#include "cep/base/check.h"
#include "cep/event/key.h"
#include "rules/explain.h"
#include "rules/load.h"
#include "rules/schema_file.h"

namespace vigil::testing {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

cep::Value ValueOf(element field, Arena* arena) {
  switch (field.type()) {
    case element_type::BOOL:
      return cep::Value::Bool(bool(field));
    case element_type::INT64:
      return cep::Value::Int(int64_t(field));
    case element_type::DOUBLE:
      return cep::Value::Double(double(field));
    case element_type::STRING:
      return cep::Value::String(arena->Copy(std::string_view(field)));
    default:
      return cep::Value::Null();
  }
}

std::string KeyText(std::string_view key) {
  std::string text;
  for (const cep::Value& value : cep::DecodeKey(key)) {
    if (!text.empty()) text += '/';
    text +=
        value.tag == cep::ValueTag::kString ? std::string(value.text()) : std::to_string(value.i);
  }
  return text;
}

// Records are JSON already.
class JsonLines : public cep::RecordRenderer {
 public:
  bool AppendJson(std::string_view raw, std::string* out, std::string*) const override {
    *out += raw;
    return true;
  }
};
const JsonLines kJsonLines;

}  // namespace

CaseEvent ParseCaseEvent(std::string json) {
  simdjson::dom::parser parser;
  const element event = parser.parse(json);
  CaseEvent parsed;
  parsed.id = int64_t(event["id"]);
  parsed.ts = int64_t(event["ts"]);
  parsed.json = std::move(json);
  return parsed;
}

std::string PatternCase::ToString() const {
  std::string text = "fields " + fields + "\n";
  for (const std::string& rule : rules) text += "rule " + rule + "\n";
  for (const CaseEvent& event : events) text += "  " + event.json + "\n";
  return text;
}

LoadedCase LoadCase(const PatternCase& test_case, uint32_t group_above) {
  const rules::SchemaResult schema =
      rules::LoadSchemaText("schema", "{\"fields\":" + test_case.fields + "}");
  CEP_CHECK(schema.schema != nullptr);
  std::string text = "{\"version\":1,\"rules\":[";
  for (const std::string& rule : test_case.rules) {
    if (text.back() == '}') text += ',';
    text += rule;
  }
  LoadedCase loaded;
  loaded.rules = rules::LoadRuleTexts({{"rules", text + "]}"}}, schema.schema).rules;
  if (loaded.rules == nullptr) return loaded;
  auto patterns = patterns::CompilePatterns(rules::PatternRules(*loaded.rules), group_above);
  CEP_CHECK(patterns.ok());
  loaded.patterns = *std::move(patterns);
  return loaded;
}

void AppendRow(const CaseEvent& event, uint64_t offset, const cep::Partition& partition,
               cep::Batch* batch) {
  simdjson::dom::parser parser;
  const element fields = parser.parse(event.json);
  const uint32_t row = batch->rows++;
  for (size_t slot = 0; slot < batch->columns.size(); ++slot) {
    element field;
    const bool is_present =
        fields[batch->layout->slots()[slot].name].get(field) == simdjson::SUCCESS;
    batch->columns[slot].Set(row, is_present ? ValueOf(field, &batch->arena) : cep::Value());
  }
  batch->ts[row] = event.ts;
  batch->offsets[row] = offset;
  batch->partitions[row] = &partition;
  batch->raw[row] = event.json;
  batch->renderer = &kJsonLines;
}

std::string ResultText(const ResultParts& parts) {
  std::map<std::string, std::string> stages;
  for (const auto& [stage, id] : parts.events) {
    stages[parts.rule->stage_names[stage]] += std::to_string(id) + ",";
  }
  std::string text = parts.rule->id + (parts.is_timeout ? " timeout " : " match ");
  text += KeyText(parts.key) + " ";
  if (parts.is_timeout) text += std::to_string(parts.due) + " ";
  for (const auto& [stage, ids] : stages) text += stage + "=" + ids + ";";
  return text;
}

}  // namespace vigil::testing
