#include "rules/section_reader.h"

#include <algorithm>

#include "cep/base/check.h"
#include "rules/cel/suggest.h"
#include "rules/duration.h"

namespace vigil::rules {
namespace {

// What a kind of value looks like: which nodes can be one, and how messages call it.
struct KindRow {
  ValueKind kind;
  bool scalar;
  bool sequence;
  bool mapping;
  std::string_view phrase;
};
constexpr KindRow kKinds[] = {
    {ValueKind::kText, true, false, false, "text"},
    {ValueKind::kRuleId, true, false, false, "a rule's id"},
    {ValueKind::kStageName, true, false, false, "a stage's name"},
    {ValueKind::kWord, true, false, false, "a word"},
    {ValueKind::kBool, true, false, false, "`true` or `false`"},
    {ValueKind::kCount, true, false, false, "a whole number"},
    {ValueKind::kDuration, true, false, false, "a duration such as `10m`"},
    {ValueKind::kBytes, true, false, false, "a size such as `512MiB`"},
    {ValueKind::kAddress, true, false, false, "an address such as `127.0.0.1:8080`"},
    {ValueKind::kTimes, true, false, false, "a number or a range such as `\"2..4\"`"},
    {ValueKind::kExpression, true, false, false, "a CEL expression"},
    {ValueKind::kTemplate, true, false, false, "text"},
    {ValueKind::kNames, true, true, false, "a name or a list of names"},
    {ValueKind::kExpressions, false, false, true, "a mapping of names to CEL expressions"},
    {ValueKind::kDefines, false, false, true, "a mapping of names to CEL expressions"},
    {ValueKind::kScalars, false, false, true, "a mapping of names to single values"},
    {ValueKind::kSection, false, false, true, "a mapping"},
    {ValueKind::kSections, false, true, false, "a list"},
    {ValueKind::kNamedSections, false, false, true, "a mapping of names to mappings"},
    {ValueKind::kNamedLists, false, false, true, "a mapping of names to lists"},
    {ValueKind::kWordOrSection, true, false, true, "a word or a mapping"},
    {ValueKind::kTextOrSection, true, false, true, "text or a mapping"},
    {ValueKind::kNamesOrSection, true, true, true, "a name, a list of names, or a mapping"},
    {ValueKind::kChoices, true, true, true, "a word, a mapping, or a list of them"},
    {ValueKind::kAny, true, true, true, "a value"},
};

const KindRow& KindRowOf(ValueKind kind) {
  const KindRow& row = kKinds[static_cast<size_t>(kind)];
  CEP_DCHECK(row.kind == kind);
  return row;
}

// Kinds that are text in the JSON sense: a number or bool there is a mistake.
bool IsPlainText(ValueKind kind) {
  return kind == ValueKind::kText || kind == ValueKind::kRuleId || kind == ValueKind::kStageName ||
         kind == ValueKind::kTextOrSection;
}

std::string Quote(std::string_view name) { return "`" + std::string(name) + "`"; }

std::string Join(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace

std::string ShownValue(const Node& scalar) {
  return scalar.is_hidden ? "the value that is put in here" : Quote(scalar.value);
}

SectionReader::SectionReader(const Vocabulary& language, SectionId section,
                             const SourceText& source, const Node& node, Reporter* reporter)
    : language_(language), section_(section), source_(source), node_(node), reporter_(*reporter) {
  const SectionRow& row = language.RowOf(section);
  if (!node.is_mapping()) {
    reporter_.Report(
        Code::kWrongKind, place(),
        std::string(row.phrase) + " is a mapping, this is " + std::string(DescribeKind(node)));
    return;
  }
  for (size_t i = 0; i < node.entries(); ++i) {
    if (reporter_.is_full()) return;
    if (node.key(i).is_scalar()) CheckKey(node.key(i), node.entry(i));
  }
  for (const KeyRow& key : language.keys()) {
    if (key.section != section || !key.options.is_required || Has(key.name)) continue;
    reporter_.Report(Code::kMissingKey, place(),
                     std::string(row.phrase) + " needs the key " + Quote(key.name));
  }
}

void SectionReader::CheckKey(const Node& key, const Node& value) const {
  const KeyRow* row = language_.Find(section_, key.value);
  if (row == nullptr) {
    const std::vector<std::string_view> keys = language_.KeysOf(section_);
    std::string hint = cel::DidYouMean(key.value, keys);
    if (hint.empty())
      hint = "the keys of " + std::string(language_.RowOf(section_).phrase) + ": " + Join(keys);
    reporter_.Report(Code::kUnknownKey, PlaceOf(key), "unknown key " + Quote(key.value),
                     std::move(hint));
  } else if (!row->options.is_supported) {
    reporter_.Report(Code::kUnsupported, PlaceOf(key),
                     Quote(key.value) + " is not supported yet: " + std::string(row->doc));
  } else if (!value.is_reported && !HasKind(*row, value)) {
    // An absent value has no place of its own worth a caret.
    reporter_.Report(
        Code::kWrongKind, PlaceOf(value.is_null() ? key : value),
        Quote(key.value) + " takes " + std::string(KindRowOf(row->kind).phrase) + ", this is " +
            std::string(DescribeKind(value)),
        IsPlainText(row->kind) && value.is_scalar() && !value.is_null() ? "put it in quotes" : "");
  }
}

bool SectionReader::HasKind(const KeyRow& row, const Node& value) const {
  const KindRow& kind = KindRowOf(row.kind);
  if (row.kind == ValueKind::kAny) return true;
  if (value.is_null()) return false;
  if (value.is_sequence()) return kind.sequence;
  if (value.is_mapping()) return kind.mapping;
  return kind.scalar && (!IsPlainText(row.kind) || value.scalar_type() == ScalarType::kText);
}

const Node* SectionReader::KeyNode(std::string_view key) const {
  if (!node_.is_mapping()) return nullptr;
  for (size_t i = 0; i < node_.entries(); ++i) {
    if (node_.key(i).is_scalar() && node_.key(i).value == key) return &node_.key(i);
  }
  return nullptr;
}

const KeyRow& SectionReader::RowOf(std::string_view key) const {
  const KeyRow* row = language_.Find(section_, key);
  CEP_CHECK(row != nullptr);
  return *row;
}

const Node* SectionReader::Get(std::string_view key) const {
  const Node* value = node_.Find(key);
  if (value == nullptr || value->is_reported) return nullptr;
  return HasKind(RowOf(key), *value) ? value : nullptr;
}

const Node* SectionReader::GetOf(std::string_view key, ValueKind kind) const {
  CEP_DCHECK(RowOf(key).kind == kind);
  (void)kind;
  return Get(key);
}

Place SectionReader::PlaceOfKey(std::string_view key) const {
  const Node* node = KeyNode(key);
  return node == nullptr ? place() : PlaceOf(*node);
}

Place SectionReader::PlaceOfValue(std::string_view key) const {
  const Node* value = node_.Find(key);
  return value == nullptr || value->is_null() ? PlaceOfKey(key) : PlaceOf(*value);
}

std::optional<std::string> SectionReader::Text(std::string_view key) const {
  const Node* value = Get(key);
  if (value == nullptr || !value->is_scalar()) return std::nullopt;
  return std::string(value->value);
}

std::optional<bool> SectionReader::Bool(std::string_view key) const {
  const Node* value = GetOf(key, ValueKind::kBool);
  if (value == nullptr) return std::nullopt;
  if (value->scalar_type() != ScalarType::kBool) {
    reporter_.Report(Code::kNotAllowedValue, PlaceOf(*value),
                     Quote(key) + " takes `true` or `false`");
    return std::nullopt;
  }
  return value->value[0] == 't' || value->value[0] == 'T';
}

std::optional<int64_t> SectionReader::Count(std::string_view key) const {
  const Node* value = GetOf(key, ValueKind::kCount);
  if (value == nullptr) return std::nullopt;
  const KeyRow& row = RowOf(key);
  int64_t count = 0;
  if (ParseYamlInt(*value, &count) && count >= row.options.min && count <= row.options.max)
    return count;
  std::string range = std::to_string(row.options.min);
  if (row.options.max > row.options.min) {
    range = "a whole number from " + range + " to " + std::to_string(row.options.max);
  }
  reporter_.Report(Code::kOutOfRange, PlaceOf(*value), Quote(key) + " takes " + range);
  return std::nullopt;
}

std::optional<int64_t> SectionReader::DurationMs(std::string_view key) const {
  const Node* value = GetOf(key, ValueKind::kDuration);
  if (value == nullptr) return std::nullopt;
  int64_t ms = 0;
  std::string why;
  const bool takes_zero = RowOf(key).options.takes_zero;
  if (ParseDuration(value->value, &ms, &why) && (ms > 0 || takes_zero)) return ms;
  if (why.empty()) why = "it has to be more than nothing";
  reporter_.Report(Code::kBadDuration, PlaceOf(*value),
                   ShownValue(*value) + " is not a duration for " + Quote(key) + ": " + why,
                   "such as `500ms`, `10s`, `5m`, `1h`, `2d`");
  return std::nullopt;
}

std::optional<size_t> SectionReader::Word(std::string_view key) const {
  const Node* value = Get(key);
  if (value == nullptr || !value->is_scalar()) return std::nullopt;
  return WordOf(key, *value);
}

std::optional<size_t> SectionReader::WordOf(std::string_view key, const Node& element) const {
  if (element.is_reported) return std::nullopt;
  const std::vector<std::string_view> words = WordsOf(RowOf(key));
  if (!element.is_scalar()) {
    reporter_.Report(Code::kWrongKind, PlaceOf(element),
                     "the elements of " + Quote(key) + " are words, this is " +
                         std::string(DescribeKind(element)));
    return std::nullopt;
  }
  const auto found = std::find(words.begin(), words.end(), element.value);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  std::string hint;
  if (!element.is_hidden) hint = cel::DidYouMean(element.value, words);
  if (hint.empty()) hint = "one of " + Join(words);
  reporter_.Report(Code::kNotAllowedValue, PlaceOf(element),
                   ShownValue(element) + " is not a value of " + Quote(key), std::move(hint));
  return std::nullopt;
}

std::vector<PlacedName> SectionReader::Names(std::string_view key) const {
  std::vector<PlacedName> names;
  const Node* value = Get(key);
  if (value == nullptr || value->is_mapping()) return names;
  const auto add = [&](const Node& node) {
    if (node.is_reported) return;
    if (!node.is_scalar() || node.is_null() || node.value.empty()) {
      reporter_.Report(
          Code::kWrongKind, PlaceOf(node),
          "the elements of " + Quote(key) + " are names, this is " +
              std::string(node.is_scalar() && !node.is_null() ? "empty text" : DescribeKind(node)));
      return;
    }
    const bool is_new = std::none_of(names.begin(), names.end(), [&](const PlacedName& name) {
      return name.name == node.value;
    });
    if (is_new) {
      names.push_back({std::string(node.value), PlaceOf(node)});
    } else {
      reporter_.Report(Code::kConflict, PlaceOf(node),
                       ShownValue(node) + " is given twice in " + Quote(key));
    }
  };
  if (value->is_scalar()) {
    add(*value);
    return names;
  }
  if (value->children.empty()) {
    reporter_.Report(Code::kWrongKind, PlaceOf(*value), "the list of " + Quote(key) + " is empty");
  }
  for (const Node& element : value->children) add(element);
  return names;
}

}  // namespace vigil::rules
