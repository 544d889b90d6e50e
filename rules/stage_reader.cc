#include "rules/stage_reader.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace vigil::rules {
namespace {

using patterns::Contiguity;

struct KeywordRow {
  std::string_view keyword;
  Contiguity contiguity;
};
constexpr KeywordRow kKeywords[] = {
    {"begin", Contiguity::kBegin},
    {"next", Contiguity::kNext},
    {"followed_by", Contiguity::kFollowedBy},
    {"followed_by_any", Contiguity::kFollowedByAny},
    {"not_next", Contiguity::kNotNext},
    {"not_followed_by", Contiguity::kNotFollowedBy},
};

// google/cel-spec doc/langdef.md, "Syntax": RESERVED, and the literals that look like names.
constexpr std::string_view kReservedWords[] = {
    "true",     "false",     "null",    "in",     "as",       "break", "const",
    "continue", "else",      "for",     "if",     "function", "let",   "loop",
    "import",   "namespace", "package", "return", "var",      "void",  "while",
};

constexpr uint32_t kMaxTimes = 10000;

class StageReader {
 public:
  StageReader(const SourceText& source, const Node& node, Reporter* reporter)
      : source_(source), reporter_(*reporter), section_(Section::kStage, source, node, reporter) {
    draft_.source = &source;
    draft_.node = &node;
    draft_.name_place = section_.place();
  }

  StageDraft Run();

 private:
  void ReadName();
  void ReadTimes();
  void ReadGroup();
  bool ParseTimes(std::string_view text);
  std::string TimesOutOfBounds() const;

  const SourceText& source_;
  Reporter& reporter_;
  SectionReader section_;
  StageDraft draft_;
};

void StageReader::ReadName() {
  for (const KeywordRow& row : kKeywords) {
    if (!section_.Has(row.keyword)) continue;
    if (!draft_.keyword.empty()) {
      reporter_.Report(Code::kConflict, section_.PlaceOfKey(row.keyword),
                       "a stage has one of `" + draft_.keyword + "` and `" +
                           std::string(row.keyword) + "`, not both",
                       "start another stage with `- " + std::string(row.keyword) + ":`");
      continue;
    }
    draft_.keyword = row.keyword;
    draft_.stage.contiguity = row.contiguity;
    draft_.name_place = section_.PlaceOfValue(row.keyword);
    draft_.stage.name = section_.Text(row.keyword).value_or("");
  }
  if (draft_.keyword.empty()) {
    if (!section_.is_mapping()) return;
    reporter_.Report(Code::kMissingKey, section_.place(), "this stage has no name",
                     "give it as the value of `begin`, `next`, `followed_by`, `followed_by_any`, "
                     "`not_next` or `not_followed_by`");
    return;
  }
  if (section_.Get(draft_.keyword) == nullptr) return;  // reported
  const std::string why = WhyNoIdentifier(draft_.stage.name);
  if (why.empty()) return;
  reporter_.Report(Code::kBadStageName, draft_.name_place,
                   "`" + draft_.stage.name + "` cannot name a stage: " + why);
  draft_.stage.name.clear();
}

bool ParseCount(std::string_view text, uint32_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  if (error == std::errc::result_out_of_range && end == text.data() + text.size()) {
    *out = patterns::kUnbounded - 1;
    return true;
  }
  return error == std::errc() && end == text.data() + text.size() && text.size() < 20;
}

// 3 | 2..4 | 0..2 | 1..
bool StageReader::ParseTimes(std::string_view text) {
  patterns::Stage& stage = draft_.stage;
  const size_t dots = text.find("..");
  if (!ParseCount(text.substr(0, dots), &stage.times_min)) return false;
  stage.times_max = stage.times_min;
  if (dots == std::string_view::npos) return true;
  const std::string_view upper = text.substr(dots + 2);
  if (!upper.empty()) return ParseCount(upper, &stage.times_max);
  stage.times_max = patterns::kUnbounded;
  return true;
}

std::string StageReader::TimesOutOfBounds() const {
  const patterns::Stage& stage = draft_.stage;
  if (stage.times_max == 0) return "a stage that accepts no event is none";
  if (stage.times_min > stage.times_max) return "the first number is larger than the second";
  const uint32_t largest =
      stage.times_max == patterns::kUnbounded ? stage.times_min : stage.times_max;
  if (largest > kMaxTimes) return "at most " + std::to_string(kMaxTimes) + " repetitions";
  return "";
}

void StageReader::ReadTimes() {
  const Node* times = section_.Get("times");
  draft_.stage.has_times = section_.Has("times");
  if (times == nullptr) return;
  std::string why;
  if (!ParseTimes(times->value)) {
    why = "it is no number and no range";
  } else {
    why = TimesOutOfBounds();
  }
  if (why.empty()) return;
  reporter_.Report(Code::kTimes, section_.PlaceOf(*times),
                   "`times: " + std::string(times->value) + "` is refused: " + why,
                   "such as `3`, `\"2..4\"`, `\"0..2\"`, `\"1..\"`");
  draft_.stage.times_min = draft_.stage.times_max = 1;
}

void StageReader::ReadGroup() {
  draft_.is_group = section_.Has("group");
  const Node* group = section_.Get("group");
  if (group == nullptr) return;
  if (group->children.empty()) {
    reporter_.Report(Code::kWrongKind, section_.PlaceOf(*group), "the group is empty");
  }
  draft_.members = ReadStages(source_, *group, &reporter_);
}

StageDraft StageReader::Run() {
  ReadName();
  ReadTimes();
  draft_.stage.optional = section_.Bool("optional").value_or(false);
  draft_.stage.greedy = section_.Bool("greedy").value_or(false);
  draft_.has_repeat = section_.Has("repeat");
  constexpr patterns::Repeat kRepeats[] = {patterns::Repeat::kRelaxed, patterns::Repeat::kStrict,
                                           patterns::Repeat::kAny};
  draft_.stage.repeat = kRepeats[section_.Word("repeat").value_or(0)];
  draft_.stage.within_ms = section_.DurationMs("within").value_or(0);
  draft_.where = section_.Get("where");
  draft_.until = section_.Get("until");
  draft_.key = section_.Names("key");
  ReadGroup();
  return std::move(draft_);
}

}  // namespace

std::string WhyNoIdentifier(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (name.empty()) return "it is empty";
  if (is_digit(name[0])) return "it begins with a digit";
  for (const char c : name) {
    if (!is_letter(c) && !is_digit(c)) return "letters, digits and `_` only";
  }
  const bool is_reserved = std::find(std::begin(kReservedWords), std::end(kReservedWords), name) !=
                           std::end(kReservedWords);
  return is_reserved ? "it is a reserved word of CEL" : "";
}

std::vector<StageDraft> ReadStages(const SourceText& source, const Node& list, Reporter* reporter) {
  std::vector<StageDraft> stages;
  for (const Node& node : list.children) {
    StageDraft stage = StageReader(source, node, reporter).Run();
    if (!node.is_mapping()) continue;
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace vigil::rules
