#include "rules/schema_reference.h"

#include <map>

#include "rules/cel/issues.h"
#include "rules/diagnostic_codes.h"
#include "rules/schema_table.h"

namespace vigil::rules {
namespace {

// How the reference calls a kind of value, and how JSON Schema does. `$words`, `$inner`, `$min` and
// `$max` stand for the row's own.
struct KindText {
  ValueKind kind;
  std::string_view reference;
  std::string_view json_schema;
};
constexpr KindText kKindTexts[] = {
    {ValueKind::kText, "text", R"("type": "string")"},
    {ValueKind::kRuleId, "id", R"("type": "string", "pattern": "^[a-z0-9_.-]+$")"},
    {ValueKind::kStageName, "name", R"("type": "string", "pattern": "^[_a-zA-Z][_a-zA-Z0-9]*$")"},
    {ValueKind::kWord, "$words", R"("enum": [$words])"},
    {ValueKind::kBool, "bool", R"("type": "boolean")"},
    {ValueKind::kCount, "$min to $max", R"("type": "integer", "minimum": $min, "maximum": $max)"},
    {ValueKind::kDuration, "duration",
     R"("type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$", "minLength": 2)"},
    {ValueKind::kBytes, "size", R"("type": "string", "pattern": "^[0-9]+([KMGT]i?)?B$")"},
    {ValueKind::kAddress, "host:port", R"("type": "string", "pattern": ":[0-9]+$")"},
    {ValueKind::kTimes, "count or range",
     R"("anyOf": [{"type": "integer", "minimum": 1, "maximum": $max}, {"type": "string", "pattern": "^[0-9]+([.][.][0-9]*)?$"}])"},
    {ValueKind::kExpression, "CEL", R"("type": ["string", "boolean", "number"])"},
    {ValueKind::kTemplate, "template", R"("type": ["string", "boolean", "number"])"},
    {ValueKind::kNames, "name or list",
     R"("anyOf": [{"type": ["string", "boolean", "number"]}, {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": ["string", "boolean", "number"]}}])"},
    {ValueKind::kExpressions, "names to CEL",
     R"("type": "object", "additionalProperties": {"type": ["string", "boolean", "number"]})"},
    {ValueKind::kDefines, "names to CEL or data",
     R"("type": "object", "propertyNames": {"pattern": "^[_a-zA-Z][_a-zA-Z0-9]*$"})"},
    {ValueKind::kScalars, "names to values",
     R"("type": "object", "additionalProperties": {"type": ["string", "boolean", "number"]})"},
    {ValueKind::kSection, "mapping", R"("$ref": "#/$defs/$inner")"},
    {ValueKind::kSections, "list", R"("type": "array", "items": {"$ref": "#/$defs/$inner"})"},
    {ValueKind::kNamedSections, "names to mappings",
     R"("type": "object", "additionalProperties": {"$ref": "#/$defs/$inner"})"},
    {ValueKind::kNamedLists, "names to lists",
     R"("type": "object", "additionalProperties": {"type": "array", "items": {"$ref": "#/$defs/$inner"}})"},
    {ValueKind::kWordOrSection, "$words, or a mapping",
     R"("anyOf": [{"enum": [$words]}, {"$ref": "#/$defs/$inner"}])"},
    {ValueKind::kTextOrSection, "text, or a mapping",
     R"("anyOf": [{"type": "string"}, {"$ref": "#/$defs/$inner"}])"},
    {ValueKind::kNamesOrSection, "name, list, or a mapping",
     R"("anyOf": [{"type": ["string", "boolean", "number"]}, {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": ["string", "boolean", "number"]}}, {"$ref": "#/$defs/$inner"}])"},
    {ValueKind::kChoices, "$words, a mapping, or a list of such",
     R"("anyOf": [{"enum": [$words]}, {"$ref": "#/$defs/$inner"}, {"type": "array", "items": {"anyOf": [{"enum": [$words]}, {"$ref": "#/$defs/$inner"}]}}])"},
    {ValueKind::kAny, "", ""},
};

const KindText& TextOf(ValueKind kind) { return kKindTexts[static_cast<size_t>(kind)]; }

void ReplaceAll(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos;
       at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

std::string Join(const std::vector<std::string_view>& words, std::string_view around,
                 std::string_view between) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += between;
    out.append(around).append(word).append(around);
  }
  return out;
}

std::string Fill(std::string_view text, const KeyRow& row, const std::string& words) {
  std::string out(text);
  ReplaceAll(&out, "$words", words);
  ReplaceAll(&out, "$min", std::to_string(row.options.min));
  ReplaceAll(&out, "$max", std::to_string(row.options.max));
  return out;
}

std::string QuoteJson(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

// A cell of a Markdown table.
std::string Cell(std::string text) {
  ReplaceAll(&text, "|", "\\|");
  return " " + text + " |";
}

void AppendKeyRow(const KeyRow& row, std::string* out) {
  const std::string words = Join(WordsOf(row), "`", ", ");
  std::string value = Fill(TextOf(row.kind).reference, row, words);
  if (row.kind == ValueKind::kCount && row.options.min == row.options.max) {
    value = std::to_string(row.options.min);
  }
  std::string default_text(row.options.default_text);
  if (!default_text.empty()) default_text = "`" + default_text + "`";
  if (row.options.is_required) default_text = "required";
  *out += "|" + Cell("`" + std::string(row.name) + "`") + Cell(value) + Cell(default_text) +
          Cell(std::string(row.doc)) + "\n";
}

// The keys that are known and not supported, by section.
void AppendUnsupported(const Vocabulary& language, std::string* out) {
  for (const SectionRow& section : language.sections()) {
    std::vector<std::string_view> later;
    for (const KeyRow& row : language.keys()) {
      const bool is_one = row.section == section.section && !row.options.is_supported;
      if (is_one) later.push_back(row.name);
    }
    if (later.empty()) continue;
    *out += "Keys of " + std::string(section.phrase) +
            " that are refused as not supported yet: " + Join(later, "`", ", ") + ".\n\n";
  }
}

// The codes of files and of expressions, in one table.
void AppendCodes(std::string* out) {
  std::map<std::string_view, std::string> rows;
  const auto add = [&](std::string_view code, bool is_error, std::string_view title,
                       std::string_view why) {
    const std::string what = (is_error ? "" : "warning: ") + std::string(title);
    rows.emplace(code, "|" + Cell(std::string(code)) + Cell(what) + Cell(std::string(why)) + "\n");
  };
  for (const CodeRow& row : CodeTable()) {
    add(row.text, row.level == Level::kError, row.title, row.explanation);
  }
  for (const cel::IssueRow& row : cel::IssueTable()) {
    add(row.text, row.is_error, row.title, row.explanation);
  }
  *out += "### Codes\n\n| code | what is wrong | why |\n|---|---|---|\n";
  for (const auto& [code, row] : rows) *out += row;
}

std::string SchemaOf(const KeyRow& row, const std::string& words) {
  std::string out = Fill(TextOf(row.kind).json_schema, row, words);
  if (row.options.inner == SectionId()) return out;
  ReplaceAll(&out, "$inner", RuleLanguage().RowOf(row.options.inner).id);
  return out;
}

void AppendSectionSchema(const SectionRow& section, std::string* out) {
  *out += "    " + QuoteJson(section.id) + ": {\n      \"type\": \"object\",\n";
  *out += "      \"additionalProperties\": false,\n      \"properties\": {";
  std::string required;
  bool is_first = true;
  for (const KeyRow& row : RuleLanguage().keys()) {
    if (row.section != section.section || !row.options.is_supported) continue;
    const std::string words = Join(WordsOf(row), "\"", ", ");
    *out += is_first ? "\n" : ",\n";
    is_first = false;
    *out += "        " + QuoteJson(row.name) + ": {" + SchemaOf(row, words) +
            ", \"description\": " + QuoteJson(row.doc) + "}";
    if (!row.options.is_required) continue;
    required += (required.empty() ? "" : ", ") + QuoteJson(row.name);
  }
  *out += "\n      }";
  if (!required.empty()) *out += ",\n      \"required\": [" + required + "]";
  // What a table of single keys does not say.
  if (section.section == Section::kStage) {
    std::string one_of;
    for (const KeyRow& row : RuleLanguage().keys()) {
      if (row.section != Section::kStage || row.kind != ValueKind::kStageName) continue;
      one_of += (one_of.empty() ? "" : ", ") + ("{\"required\": [" + QuoteJson(row.name) + "]}");
    }
    *out += ",\n      \"oneOf\": [" + one_of + "]";
  } else if (section.section == Section::kAfterMatch) {
    *out += ",\n      \"minProperties\": 1,\n      \"maxProperties\": 1";
  }
  *out += "\n    }";
}

}  // namespace

std::string KeysMarkdown(const Vocabulary& language) {
  std::string out;
  for (const SectionRow& section : language.sections()) {
    out += "### " + std::string(section.title) + "\n\n";
    out += "| key | value | default | meaning |\n|---|---|---|---|\n";
    for (const KeyRow& row : language.keys()) {
      if (row.section == section.section && row.options.is_supported) AppendKeyRow(row, &out);
    }
    out += "\n";
  }
  AppendUnsupported(language, &out);
  return out;
}

std::string ReferenceMarkdown() {
  std::string out = KeysMarkdown(RuleLanguage());
  AppendCodes(&out);
  return out;
}

std::string RuleJsonSchema() {
  std::string out =
      "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
      "  \"title\": \"Vigil rules\",\n  \"$ref\": \"#/$defs/file\",\n  \"$defs\": {\n";
  bool is_first = true;
  for (const SectionRow& section : RuleLanguage().sections()) {
    if (!is_first) out += ",\n";
    is_first = false;
    AppendSectionSchema(section, &out);
  }
  return out + "\n  }\n}\n";
}

}  // namespace vigil::rules
