#include "tests/support/random_case.h"

#include <cstdlib>
#include <iterator>
#include <random>

#include <fmt/format.h>

namespace vigil::testing {
namespace {

constexpr std::string_view kKinds[] = {"a", "b", "c", "d"};
constexpr std::string_view kPrefixes[] = {"u", "u0", "u1", "u2", "u22", "v"};  // of users
constexpr std::string_view kFields =
    R"({"id":"int","ts":"int","user":"string","peer":"string","shop":"string","kind":"string",)"
    R"("value":"int","score":"int"})";

// The same sequence on every platform, which the distributions of <random> do not promise. Or
// choices read from bytes, two for each, zeros behind their end.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  explicit Random(std::string_view bytes) : bytes_(bytes), is_from_bytes_(true) {}

  uint32_t Below(uint32_t bound) {
    if (!is_from_bytes_) return static_cast<uint32_t>(engine_() % bound);
    uint32_t choice = 0;
    for (int i = 0; i < 2 && !bytes_.empty(); ++i) {
      choice = choice << 8 | static_cast<uint8_t>(bytes_.front());
      bytes_.remove_prefix(1);
    }
    return choice % bound;
  }
  uint32_t Between(uint32_t low, uint32_t high) { return low + Below(high - low + 1); }
  bool Percent(uint32_t chance) { return Below(100) < chance; }
  template <typename T, size_t N>
  const T& OneOf(const T (&items)[N]) {
    return items[Below(N)];
  }

 private:
  std::mt19937_64 engine_;
  std::string_view bytes_;
  bool is_from_bytes_ = false;
};

// An earlier stage, as conditions may name it.
struct Named {
  std::string name;
  bool is_list = false;
};

// Writes one rule. All choices that make the shape come from one sequence, all constants from
// another.
class RuleWriter {
 public:
  RuleWriter(Random* shape, Random* constants, bool always_within)
      : shape_(*shape), constants_(*constants), always_within_(always_within) {}

  std::string Write(std::string_view name) {
    ChooseBounds();
    const std::string_view key = shape_.Percent(15) ? R"(["user","shop"])" : R"("user")";
    std::string rule = fmt::format(R"({{"rule":"{}","key":{},"pattern":)", name, key);
    has_stage_keys_ = has_stage_keys_ && key.front() == '"';
    rule += Level(shape_.Between(1, 4), Around());
    if (within_ms_ > 0) rule += fmt::format(R"(,"within":"{}ms")", within_ms_);
    return rule + AfterMatch() + R"(,"on_timeout":{}})";
  }

 private:
  // What the groups around a stage make of it.
  struct Around {
    uint32_t depth = 0;
    bool is_list = false;  // one of them repeats, or may be left out
  };

  void ChooseBounds() {
    if (always_within_ || shape_.Percent(50)) within_ms_ = shape_.Between(3, 12);
    has_stage_keys_ = shape_.Percent(15);
    has_stage_within_ = shape_.Percent(20);
    has_groups_ = shape_.Percent(40);
  }

  uint32_t Constant() { return constants_.Below(4); }
  std::string_view Prefix() { return constants_.OneOf(kPrefixes); }
  std::string_view Kind() { return shape_.OneOf(kKinds); }
  std::string NewName() { return fmt::format("s{}", names_++); }

  // The stages of a pattern, or of a group.
  std::string Level(uint32_t stages, const Around& around) {
    std::string level = "[";
    for (uint32_t i = 0; i < stages; ++i) {
      if (i > 0) level += ",";
      if (i > 0 && shape_.Percent(15)) level += NegatedStage(around) + ",";
      const bool is_group = has_groups_ && around.depth < 3 && shape_.Percent(35);
      level += is_group ? Group(i == 0, around) : PositiveStage(i == 0, around);
    }
    if (shape_.Percent(15)) level += "," + NegatedStage(around);
    return level + "]";
  }

  std::string NegatedStage(const Around& around) {
    const std::string name = NewName();
    if (around.depth == 0) skippable_.push_back(name);
    return fmt::format(R"({{"{}":"{}"{}{}}})", shape_.Percent(40) ? "not_next" : "not_followed_by",
                       name, StageKey(), Where(UnaryCondition()));
  }

  std::string_view Contiguity(bool is_first) {
    static constexpr std::string_view kContiguities[] = {"next", "followed_by", "followed_by",
                                                         "followed_by_any"};
    return is_first ? "begin" : shape_.OneOf(kContiguities);
  }

  std::string PositiveStage(bool is_first, const Around& around) {
    const std::string_view contiguity = Contiguity(is_first);
    Named stage{NewName(), around.is_list};
    if (around.depth == 0) skippable_.push_back(stage.name);
    bool is_open = false;
    std::string quantifier = Quantifier(&stage.is_list, &is_open);
    if (!quantifier.empty() && shape_.Percent(20)) quantifier += R"(,"greedy":true)";
    if (is_open && shape_.Percent(30)) quantifier += Until(stage);
    std::string text = fmt::format(R"({{"{}":"{}"{}{}{})", contiguity, stage.name, StageKey(),
                                   quantifier, Where(Condition(stage)));
    if (!is_first && has_stage_within_ && shape_.Percent(50)) {
      text += fmt::format(R"(,"within":"{}ms")", shape_.Between(1, 3));
    }
    named_.push_back(std::move(stage));
    return text + "}";
  }

  std::string Group(bool is_first, Around around) {
    const std::string_view contiguity = Contiguity(is_first);
    const std::string name = NewName();
    bool is_open = false;
    std::string quantifier = Quantifier(&around.is_list, &is_open);
    ++around.depth;
    const std::string stages = Level(shape_.Between(1, 3), around);
    if (is_open && shape_.Percent(30)) quantifier += Until({name, false});
    return fmt::format(R"({{"{}":"{}","group":{}{}}})", contiguity, name, stages, quantifier);
  }

  std::string Quantifier(bool* is_list, bool* is_open) {
    if (shape_.Percent(45)) return "";
    std::string text;
    const uint32_t low = shape_.Between(0, 2);
    switch (shape_.Below(4)) {
      case 0:
        *is_list = true;
        return R"(,"optional":true)";
      case 1:
        text = fmt::format(R"(,"times":{})", low + 1);
        *is_list |= low > 0;
        break;
      case 2:
        text = fmt::format(R"(,"times":"{}..{}")", low, low + shape_.Between(1, 2));
        *is_list = true;
        break;
      default:
        text = fmt::format(R"(,"times":"{}..")", low);
        *is_list = true;
        *is_open = true;
        break;
    }
    if (shape_.Percent(60)) {
      static constexpr std::string_view kRepeats[] = {"relaxed", "strict", "any"};
      text += fmt::format(R"(,"repeat":"{}")", shape_.OneOf(kRepeats));
    }
    if (shape_.Percent(15)) {
      text += R"(,"optional":true)";
      *is_list = true;
    }
    return text;
  }

  std::string Until(const Named& stage) {
    const bool reads_list = stage.is_list && shape_.Percent(25);
    return fmt::format(
        R"(,"until":"{}")",
        reads_list ? fmt::format("size({}) >= {}", stage.name, 1 + Constant()) : UnaryCondition());
  }

  std::string StageKey() { return has_stage_keys_ && shape_.Percent(50) ? R"(,"key":"peer")" : ""; }

  static std::string Where(const std::string& condition) {
    return condition.empty() ? "" : fmt::format(R"(,"where":"{}")", condition);
  }

  // Reads the current event only. Texts stand in single quotes, being inside JSON.
  std::string UnaryCondition() {
    switch (shape_.Below(12)) {
      case 0:
        return fmt::format("kind in ['{}', '{}']", Kind(), Kind());
      case 1:
        return fmt::format("value >= {}", Constant());
      case 2:
        return fmt::format("kind == '{}' && value >= {}", Kind(), Constant());
      case 3:
        return fmt::format("kind != '{}'", Kind());
      case 4:
        return fmt::format("value < {}", Constant());
      case 5:
        return fmt::format("kind == '{}' || value == {}", Kind(), Constant());
      case 6:  // fails where there is no score
        return fmt::format("score >= {}", Constant());
      case 7:
        return fmt::format("!(score >= {}) || kind == '{}'", Constant(), Kind());
      case 8:
        return fmt::format("kind == '{}' && value == {}", Kind(), Constant());
      case 9:  // fails where there is no score
        return fmt::format("score in [{}, {}]", Constant(), Constant());
      case 10:
        return fmt::format("peer.startsWith('{}')", Prefix());
      default:
        return fmt::format("kind == '{}'", Kind());
    }
  }

  // May read earlier stages, or what the stage itself has accepted.
  std::string Condition(const Named& stage) {
    if (shape_.Percent(5)) return "";
    const std::string unary = UnaryCondition();
    if (shape_.Percent(75)) return unary;
    const bool own = stage.is_list && (named_.empty() || shape_.Percent(50));
    if (!own && named_.empty()) return unary;
    const Named& other = own ? stage : named_[shape_.Below(static_cast<uint32_t>(named_.size()))];
    return fmt::format("({}) && {}", unary, Correlated(other));
  }

  std::string Correlated(const Named& other) {
    const std::string& name = other.name;
    if (!other.is_list) return fmt::format("value + {} > {}.value", Constant(), name);
    switch (shape_.Below(3)) {
      case 0:
        return fmt::format("size({}) < {}", name, 1 + Constant());
      case 1:
        return fmt::format("(size({0}) == 0 || value >= {0}[size({0}) - 1].value)", name);
      default:
        return fmt::format("{}.all(e, e.value != value)", name);
    }
  }

  std::string AfterMatch() {
    if (shape_.Percent(60)) return "";
    if (skippable_.empty() || shape_.Percent(25)) return R"(,"after_match":"skip_to_next")";
    const std::string& stage = skippable_[shape_.Below(static_cast<uint32_t>(skippable_.size()))];
    switch (shape_.Below(3)) {
      case 0:
        return fmt::format(R"(,"after_match":{{"skip_to_first":"{}"}})", stage);
      case 1:
        return fmt::format(R"(,"after_match":{{"skip_to_last":"{}"}})", stage);
      default:
        return R"(,"after_match":"skip_past_last_event")";
    }
  }

  Random& shape_;
  Random& constants_;
  const bool always_within_;
  uint32_t within_ms_ = 0;
  bool has_stage_keys_ = false;
  bool has_stage_within_ = false;
  bool has_groups_ = false;
  uint32_t names_ = 0;
  std::vector<Named> named_;            // earlier stages that accept events
  std::vector<std::string> skippable_;  // stages that a skip strategy may name
};

std::vector<CaseEvent> RandomEvents(Random* random, const RandomOptions& options) {
  std::vector<CaseEvent> events;
  const uint32_t count = random->Between(std::min(4u, options.events), options.events);
  int64_t ts = 1000;
  for (uint32_t id = 1; id <= count; ++id) {
    static constexpr uint32_t kSteps[] = {0, 0, 1, 1, 1, 2, 5};
    ts += random->OneOf(kSteps) + (options.distinct_times ? 1 : 0);
    const std::string score =
        random->Percent(30) ? "" : fmt::format(R"(,"score":{})", random->Below(4));
    const uint32_t user = random->Below(options.users);
    const uint32_t peer = random->Below(options.users);
    events.push_back(ParseCaseEvent(
        fmt::format(R"({{"id":{},"ts":{},"user":"u{}","peer":"u{}","shop":"{}","kind":"{}",)"
                    R"("value":{}{}}})",
                    id, ts, user, peer, random->Percent(85) ? "x" : "y", random->OneOf(kKinds),
                    random->Below(4), score)));
  }
  return events;
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

PatternCase RandomCase(uint64_t seed, const RandomOptions& options) {
  Random random(seed);
  PatternCase made;
  made.fields = kFields;
  const uint64_t shape_seed = random.Below(1u << 31);
  for (uint32_t i = 0; i < options.rules; ++i) {
    Random shape(shape_seed);
    Random constants(uint64_t{random.Below(1u << 31)});
    RuleWriter writer(&shape, &constants, options.always_within);
    made.rules.push_back(writer.Write(fmt::format("r{}", i)));
  }
  made.events = RandomEvents(&random, options);
  return made;
}

PatternCase CaseFromBytes(std::string_view bytes) {
  Random random(bytes);
  PatternCase made;
  made.fields = kFields;
  made.rules.push_back(RuleWriter(&random, &random, false).Write("r"));
  made.events = RandomEvents(&random, {});
  return made;
}

void ForEachSeed(uint32_t count, const std::function<void(uint64_t seed)>& sample) {
  const uint64_t first = FromEnvironment("VIGIL_PROPERTY_SEED", 1);
  const uint64_t samples = count * FromEnvironment("VIGIL_PROPERTY_ROUNDS", 1);
  for (uint64_t i = 0; i < samples; ++i) sample(first + i);
}

}  // namespace vigil::testing
