// What an edit makes of each rule's partial matches.
#include "daemon/running_rules.h"

#include <algorithm>
#include <map>
#include <utility>

#include <catch2/catch.hpp>

#include "cep/runtime/key_usage.h"
#include "cep/runtime/shard.h"
#include "daemon/rule_record.h"
#include "rules/load.h"
#include "tests/support/snapshot_run.h"

namespace vigil::daemon {
namespace {

constexpr char kTwo[] = R"(version: 1
define: { big: 100 }
rules:
  - rule: pair
    key: [account]
    pattern:
      - begin: a
        where: type == 'login'
      - followed_by: b
        where: type == 'payment' && amount > big
    within: 1m
    alert: { summary: "${b.amount}" }
  - rule: other
    key: [account]
    pattern: [{ begin: a, where: type == 'x' }]
    within: 1m
)";

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::shared_ptr<const RunningRules> Follow(const RunningRules* before, const std::string& text) {
  rules::LoadOptions load;
  if (before != nullptr) load.layout = before->rules->layout;
  const rules::LoadResult loaded =
      rules::LoadRuleTexts({{"t.yaml", text}}, std::make_shared<cep::Schema>(), load);
  for (const auto& d : loaded.diagnostics) INFO(rules::FormatText(d));
  REQUIRE(loaded.rules != nullptr);
  const auto next = FollowRules(before, loaded.rules);
  REQUIRE(next.ok());
  return *next;
}

std::string Verdicts(const RunningRules& rules) {
  std::string text;
  for (const RuleVerdict& verdict : rules.verdicts) {
    text += verdict.rule + ":" + std::string(NameOf(verdict.verdict)) + " ";
  }
  return text;
}

TEST_CASE("RunningRules: the verdict of each edit", "[daemon][unit]") {
  const auto first = Follow(nullptr, kTwo);
  CHECK(Verdicts(*first) == "other:new pair:new ");
  struct Case {
    const char* from;
    const char* to;
    const char* verdicts;
    size_t generations;
  };
  const Case kCases[] = {
      {"version: 1\n", "# a comment\nversion: 1\n", "other:identical pair:identical ", 1},
      {"rule: pair\n", "rule: pair\n    severity: high\n", "other:identical pair:compatible ", 1},
      {"rule: pair\n", "rule: pair\n    mode: shadow\n", "other:identical pair:compatible ", 1},
      {"\"${b.amount}\"", "\"paid ${b.amount}\"", "other:identical pair:compatible ", 1},
      // The partial matches do not hold this field.
      {"\"${b.amount}\"", "\"${b.shop}\"", "other:identical pair:reset ", 2},
      // Conditions, also those of a define, and each `within` may change.
      {"'login'", "'log-in'", "other:identical pair:compatible ", 2},
      {"amount > big", "amount > big && amount > a.amount", "other:identical pair:compatible ", 2},
      {"amount > big", "amount > big && shop == a.shop", "other:identical pair:reset ", 2},
      {"big: 100", "big: 200", "other:identical pair:compatible ", 2},
      {"within: 1m", "within: 2m", "other:identical pair:compatible ", 2},
      {"within: 1m", "within: 1m\n    on_timeout: {}", "other:identical pair:compatible ", 2},
      {"within: 1m", "within: 1m\n    on_error: match", "other:identical pair:compatible ", 2},
      // What partial matches are made of may not.
      {"begin: a", "begin: c", "other:identical pair:reset ", 2},
      {"followed_by: b", "next: b", "other:identical pair:reset ", 2},
      {"begin: a\n", "begin: a\n        times: 2\n", "other:identical pair:reset ", 2},
      {"followed_by: b", "followed_by: b\n        key: payer", "other:identical pair:reset ", 2},
      {"key: [account]", "key: [card]", "other:identical pair:reset ", 2},
      {"within: 1m", "within: 1m\n    after_match: skip_to_next", "other:identical pair:reset ", 2},
      {"rule: other", "rule: third", "other:removed pair:identical third:new ", 2},
  };
  for (const Case& c : kCases) {
    INFO(c.to);
    const auto next = Follow(first.get(), Replaced(kTwo, c.from, c.to));
    CHECK(Verdicts(*next) == c.verdicts);
    CHECK(next->patterns->generations.size() == c.generations);
    CHECK(next->rule_keys.size() == next->rules->rules.size());
    for (const auto& keys : next->rule_keys) CHECK_FALSE(keys.empty());
  }
}

TEST_CASE("RunningRules: a field captured since an edit is not held by earlier partial matches",
          "[daemon][unit]") {
  const auto first = Follow(nullptr, kTwo);
  // Another rule reads `shop` of its events from here on.
  const std::string second_text =
      Replaced(kTwo, "where: type == 'x' }]\n    within: 1m\n",
               "where: type == 'x' }]\n    within: 1m\n    alert: { summary: \"${a.shop}\" }\n");
  const auto second = Follow(first.get(), second_text);
  CHECK(Verdicts(*second) == "other:reset pair:identical ");
  const auto third =
      Follow(second.get(), Replaced(second_text, "\"${b.amount}\"", "\"${b.shop}\""));
  CHECK(Verdicts(*third) == "other:identical pair:reset ");
}

TEST_CASE("RunningRules: a generation goes with its last rule", "[daemon][unit]") {
  auto running = Follow(nullptr, kTwo);
  for (int i = 0; i < 5; ++i) {
    running = Follow(running.get(), Replaced(kTwo, "'login'", "'login" + std::to_string(i) + "'"));
    CHECK(running->patterns->generations.size() == 2);
  }
  const std::string both = Replaced(Replaced(kTwo, "'login'", "'l'"), "'x'", "'y'");
  running = Follow(running.get(), both);
  CHECK(running->patterns->generations.size() == 1);
}

// The first of a rule's versions that drain.
struct FormerVersion {
  std::string rule_set;
  uint64_t incarnation = 0;
};

FormerVersion FormerOf(const RunningRules& running, const std::string& id) {
  for (size_t i = 0; i < running.rules->rules.size(); ++i) {
    const rules::CompiledRule& rule = running.rules->rules[i];
    if (rule.info.id == id && IsDraining(rule)) {
      return {rule.info.rule_set, running.incarnations[i]};
    }
  }
  return {};
}

// Two rules of one shape, which share a block; the second one has this condition and calls its
// first stage so.
std::string TwoOfAShape(const std::string& pattern, const std::string& condition,
                        const std::string& stage = "s") {
  std::string text = "version: 1\nrules:\n";
  const std::pair<const char*, std::string> kRules[] = {{"a", "amount > 10"}, {"b", condition}};
  for (const auto& [rule, wanted] : kRules) {
    text += std::string("  - rule: ") + rule + "\n    key: [account]\n" +
            Replaced(Replaced(pattern, "CONDITION", wanted), "begin: s",
                     "begin: " + (rule[0] == 'b' ? stage : "s"));
  }
  return text;
}

// Applies events to a shard and collects what comes of them: rule, instant and id.
class OneShard {
 public:
  explicit OneShard(std::shared_ptr<const RunningRules> rules)
      : rules_(std::move(rules)),
        shard_({0, 1, 0, rules_->rules->layout, rules_->key_exprs.size()},
               rules_->Remake()(nullptr), rules_->MakeBuilders()()) {}

  void Swap(std::shared_ptr<const RunningRules> next) {
    rules_ = std::move(next);
    shard_.Swap(rules_->Remake(), rules_->MakeBuilders()(), rules_->rules->layout,
                rules_->key_exprs.size(), false);
  }
  // Events from..to of one stream that is the same each time.
  void Apply(int from, int to) {
    const cep::Layout& layout = *rules_->rules->layout;
    auto batch = std::make_shared<cep::Batch>(rules_->rules->layout);
    cep::RoutedBatch routed;
    for (int i = from; i < to; ++i) {
      const uint32_t row = batch->rows++;
      const uint32_t random = static_cast<uint32_t>(i) * 2654435761U >> 8;
      const auto set = [&](const char* name, const cep::Value& value) {
        const int slot = layout.Find(name);
        if (slot >= 0) batch->columns[static_cast<size_t>(slot)].Set(row, value);
      };
      set("account", cep::Value::String(random % 3 == 0 ? "x" : "y"));
      set("type", cep::Value::String(random / 3 % 3 == 0 ? "p" : "l"));
      set("amount", cep::Value::Int(random / 9 % 40));
      set("n", cep::Value::Int(i));
      batch->ts[row] = 1000 + i * 10;
      batch->offsets[row] = static_cast<uint64_t>(i);
      batch->partitions[row] = &kPartition;
      batch->raw[row] = "{}";
      batch->is_json[row] = 1;
      routed.in_time.Set(row);
    }
    cep::KeyUsage(rules_->key_exprs, rules_->rule_keys).Hash(batch.get());
    routed.watermark = routed.newest_ts = batch->ts[batch->rows - 1];
    routed.batch = std::move(batch);
    for (const cep::Record& record : shard_.Apply(routed)) {
      const rules::CompiledRule& rule = rules_->rules->rules[record.rule];
      results[rule.info.id + (IsDraining(rule) ? "#" : "")].push_back(
          std::to_string(record.instant) + " " + ToHex(record.id));
      in_order.emplace_back(record.instant, record.rule);
    }
  }
  size_t live_events() const { return op().live_events(); }
  void KeepChanges() { op().KeepChanges(); }
  void ReadFrom(const cep::UnitReader* reader) { op().ReadFrom(reader); }
  void LeaveMemory() { op().LeaveMemory(0, 0); }
  size_t live_keys() const { return op().live_keys(); }
  size_t cold_keys() const { return op().cold_keys(); }
  void Snapshot(testing::UnitStore* store) { REQUIRE(op().Snapshot(store).ok()); }
  // As after a restart, at the watermark of `from`.
  void Restore(const testing::UnitStore& store, int64_t watermark) {
    op().ResumeAt(watermark);
    op().KeepChanges();
    store.ForEach([this](const cep::RestoredUnit& unit) {
      const Status status = op().Restore(unit);
      INFO(status.ToString());
      REQUIRE(status.ok());
    });
  }

  // By rule; and all partial matches.
  double Load(std::vector<patterns::RuleLoad>* by_rule) const {
    by_rule->assign(rules_->rules->rules.size(), {});
    return op().AddLoad(by_rule);
  }
  static bool IsLogin(int i) { return (static_cast<uint32_t>(i) * 2654435761U >> 8) / 3 % 3 != 0; }

  std::vector<bool> Open() const {
    std::vector<bool> open(rules_->rules->rules.size());
    op().MarkOpen(&open);
    return open;
  }

  // By rule, those of versions that drain as `ID#`: instants and ids.
  std::map<std::string, std::vector<std::string>> results;
  std::vector<std::pair<int64_t, uint32_t>> in_order;  // instants and rules

 private:
  patterns::RunningOperator& op() const {
    return const_cast<patterns::RunningOperator&>(
        static_cast<const patterns::RunningOperator&>(shard_.op()));
  }

  static inline const cep::Partition kPartition{"s", "t", 0, "s/t/0"};
  std::shared_ptr<const RunningRules> rules_;
  cep::Shard shard_;
};

std::vector<std::string> Patterns() {
  const std::string kWhere =
      "      - begin: s\n        where: type == 'l'\n      - FOLLOWED: p\n"
      "        where: type == 'p' && (CONDITION)\n";
  return {
      // Many partial matches a key, which are kept grouped.
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "followed_by_any") + "    within: 3s\n",
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "followed_by") + "    within: 3s\n",
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "next"),
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "followed_by_any") +
          "    within: 1s\n    after_match: skip_past_last_event\n",
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "not_followed_by") + "    within: 40ms\n",
      "    pattern:\n" + Replaced(kWhere, "FOLLOWED", "followed_by") +
          "    within: 500ms\n    on_timeout: {}\n",
  };
}

constexpr int kSwap = 411;
constexpr int kEnd = 900;

TEST_CASE("RunningRules: a rule goes on as if nothing had happened to one that shared its block",
          "[daemon][unit]") {
  for (const std::string& pattern : Patterns()) {
    INFO(pattern);
    const auto first = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
    REQUIRE(first->patterns->generations[0].patterns->blocks.size() == 1);
    const auto next = Follow(first.get(), TwoOfAShape(pattern, "amount > 25", "t"));
    CHECK(Verdicts(*next) == "a:identical b:reset ");

    OneShard untouched(first);
    OneShard swapped(first);
    OneShard fresh(next);  // its own first rule sees the same as one that starts at the swap
    for (int i = 0; i < kSwap; i += 137) untouched.Apply(i, i + 137);
    for (int i = 0; i < kSwap; i += 137) swapped.Apply(i, i + 137);
    const size_t before = swapped.results["b"].size();
    swapped.Swap(next);
    CHECK(swapped.live_events() <= untouched.live_events());
    untouched.Apply(kSwap, kEnd);
    swapped.Apply(kSwap, kEnd);
    fresh.Apply(kSwap, kEnd);
    CHECK(untouched.results["a"].size() > 20);
    CHECK(swapped.results["a"] == untouched.results["a"]);
    // The other one starts anew at the swap.
    const std::vector<std::string>& b = swapped.results["b"];
    CHECK(std::vector<std::string>(b.begin() + static_cast<ptrdiff_t>(before), b.end()) ==
          fresh.results["b"]);
    CHECK(fresh.results["b"].size() > 5);
  }
}

TEST_CASE("RunningRules: edits find keys that have left memory", "[daemon][unit]") {
  size_t left = 0;
  size_t stayed_cold = 0;
  for (const std::string& pattern : Patterns()) {
    const std::string text = TwoOfAShape(pattern, "amount > 20");
    const std::string kEdits[] = {
        Replaced(text, "amount > 20", "amount > 25"),                  // compatible
        Replaced(text, "rule: b", "rule: c"),                          // removed, and a new one
        Replaced(text, "amount > 10)", "amount > 10) && amount > 1"),  // the first one's
        TwoOfAShape(pattern, "amount > 20", "t"),                      // reset
        text + "  - rule: z\n    key: [account]\n" + Replaced(pattern, "CONDITION", "true"),
        Replaced(TwoOfAShape(pattern, "amount > 20", "t"), "rule: b\n",
                 "rule: b\n    on_change: drain\n"),
    };
    for (const std::string& edit : kEdits) {
      INFO(edit);
      // What drains has an end.
      const bool drains = edit.find("drain") != std::string::npos;
      if (drains && pattern.find("within") == std::string::npos) continue;
      const auto first = Follow(nullptr, text);
      const auto next = Follow(first.get(), edit);
      testing::UnitStore hot_store;
      testing::UnitStore store;
      const testing::StoreReader reader(&store);
      OneShard hot(first);
      OneShard cold(first);
      hot.KeepChanges();
      cold.KeepChanges();
      cold.ReadFrom(&reader);
      const auto snapshot = [&] {
        hot.Snapshot(&hot_store);
        cold.Snapshot(&store);
        CHECK(store.units() == hot_store.units());
        CHECK(cold.live_keys() == hot.live_keys());
        cold.LeaveMemory();
        CHECK(cold.live_keys() == hot.live_keys());
        left += cold.cold_keys();
      };
      const auto apply = [&](int from, int to) {
        hot.Apply(from, to);
        cold.Apply(from, to);
      };
      for (int i = 0; i < kSwap; i += 137) {
        apply(i, i + 137);
        snapshot();
      }
      hot.Swap(next);
      cold.Swap(next);
      stayed_cold += cold.cold_keys();
      for (int i = kSwap; i < kEnd; i += 163) {
        apply(i, std::min(i + 163, kEnd));
        snapshot();
      }
      CHECK(cold.results == hot.results);
    }
  }
  CHECK(left > 100);
  CHECK(stayed_cold > 5);
}

TEST_CASE("RunningRules: what rules cost and hold", "[daemon][unit]") {
  // `a` and `b` open a partial match with each login and may share a block; `idle`, of another
  // shape, opens none.
  const std::string rule =
      "    key: [account]\n    pattern:\n      - begin: s\n        where: TYPE\n"
      "      - followed_by: p\n        where: type == 'never' && amount > LIMIT\n";
  const auto with = [&](const char* id, const char* type, const char* limit) {
    return std::string("  - rule: ") + id + "\n" +
           Replaced(Replaced(rule, "TYPE", type), "LIMIT", limit);
  };
  const auto first =
      Follow(nullptr, "version: 1\nrules:\n" + with("a", "type == 'l'", "1") +
                          with("b", "type == 'l'", "2") +
                          Replaced(with("idle", "type == 'nothing'", "1"), "followed_by", "next"));
  OneShard shard(first);
  for (const int events : {20, 600}) {  // one by one; grouped
    INFO(events);
    shard.Apply(events == 20 ? 0 : 20, events);
    double logins = 0;
    for (int i = 0; i < events; ++i) logins += OneShard::IsLogin(i) ? 1 : 0;
    std::vector<patterns::RuleLoad> load;
    const double all = shard.Load(&load);
    CHECK(load[0].partial_matches == logins);
    CHECK(load[1].partial_matches == logins);
    CHECK(load[2].partial_matches == 0);
    CHECK((all == logins || all == 2 * logins));  // whether they share a block
    CHECK(load[0].steps >= logins / 2);
    CHECK(load[2].steps < load[0].steps);
  }
  // A rule that has been taken out holds nothing and costs nothing.
  const auto next = Follow(first.get(), "version: 1\nrules:\n" + with("a", "type == 'l'", "1"));
  shard.Swap(next);
  std::vector<patterns::RuleLoad> load;
  const double all = shard.Load(&load);
  REQUIRE(load.size() == 1);
  CHECK(load[0].partial_matches > 0);
  CHECK(all == load[0].partial_matches);
}

TEST_CASE("RunningRules: new conditions count from the swap on, for what has been open before",
          "[daemon][unit]") {
  for (const std::string& pattern : Patterns()) {
    INFO(pattern);
    const auto first = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
    const auto next = Follow(first.get(), TwoOfAShape(pattern, "amount > 25"));
    CHECK(Verdicts(*next) == "a:identical b:compatible ");
    CHECK(next->incarnations == first->incarnations);
    OneShard swapped(first);
    swapped.Apply(0, kSwap);
    swapped.Swap(next);
    swapped.Apply(kSwap, kEnd);
    // What the two versions are together.
    OneShard untouched(Follow(nullptr, TwoOfAShape(pattern, "n < " + std::to_string(kSwap) +
                                                                " && amount > 20 || amount > 25")));
    untouched.Apply(0, kSwap);
    untouched.Apply(kSwap, kEnd);
    CHECK(swapped.results["a"] == untouched.results["a"]);
    CHECK(swapped.results["b"] == untouched.results["b"]);
    CHECK(swapped.results["b"].size() > 20);
    CHECK(swapped.live_events() <= untouched.live_events() * 2);
  }
}

TEST_CASE("RunningRules: partial matches that were grouped go on one by one", "[daemon][unit]") {
  const std::string pattern = Patterns()[0];
  const std::string reporting = pattern + "    on_timeout: {}\n";
  const auto first = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
  const auto next = Follow(first.get(), TwoOfAShape(reporting, "amount > 20"));
  CHECK(Verdicts(*next) == "a:compatible b:compatible ");
  CHECK(next->patterns->generations.size() == 1);
  OneShard swapped(first);
  OneShard untouched(Follow(nullptr, TwoOfAShape(reporting, "amount > 20")));
  for (OneShard* shard : {&swapped, &untouched}) shard->Apply(0, kSwap);
  swapped.Swap(next);
  for (OneShard* shard : {&swapped, &untouched}) {
    shard->results.clear();
    shard->Apply(kSwap, kEnd);
  }
  for (const char* rule : {"a", "b"}) {
    for (OneShard* shard : {&swapped, &untouched}) {
      std::sort(shard->results[rule].begin(), shard->results[rule].end());
    }
    CHECK(swapped.results[rule].size() > 100);
    CHECK(swapped.results[rule] == untouched.results[rule]);
  }
}

TEST_CASE("RunningRules: what a shorter within has ended falls due at the swap", "[daemon][unit]") {
  const std::string pattern = Patterns()[0] + "    on_timeout: {}\n";
  const auto first = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
  const auto next =
      Follow(first.get(), TwoOfAShape(Replaced(pattern, "3s", "100ms"), "amount > 20"));
  OneShard swapped(first);
  swapped.Apply(0, kSwap);
  const size_t before = swapped.live_events();
  swapped.Swap(next);
  swapped.results.clear();
  swapped.Apply(kSwap, kSwap + 1);
  const int64_t swapped_at = 1000 + (kSwap - 1) * 10;
  size_t at_swap = 0;
  for (const std::string& result : swapped.results["b"]) {
    const int64_t instant = std::stoll(result);
    CHECK(instant >= swapped_at);
    at_swap += instant == swapped_at ? 1 : 0;
  }
  CHECK(at_swap > 5);
  CHECK(swapped.live_events() < before);
}

TEST_CASE("RunningRules: incarnations are never used again", "[daemon][unit]") {
  const auto first = Follow(nullptr, kTwo);
  CHECK(first->incarnations == std::vector<uint64_t>{1, 2});
  const auto reset = Follow(first.get(), Replaced(kTwo, "begin: a\n", "begin: c\n"));
  CHECK(reset->incarnations == std::vector<uint64_t>{1, 3});
  const auto gone = Follow(reset.get(), Replaced(kTwo, "rule: pair", "rule: third"));
  CHECK(gone->incarnations == std::vector<uint64_t>{1, 4});
  const auto back = Follow(gone.get(), kTwo);
  CHECK(back->incarnations == std::vector<uint64_t>{1, 5});
}

TEST_CASE("RunningRules: what is stored follows each edit", "[daemon][unit]") {
  for (const std::string& pattern : Patterns()) {
    INFO(pattern);
    const std::string kEdits[] = {
        TwoOfAShape(pattern, "amount > 25"),       // compatible
        TwoOfAShape(pattern, "amount > 25", "t"),  // reset
        TwoOfAShape(pattern, "amount > 22", "t"),
        Replaced(TwoOfAShape(pattern, "amount > 22", "t"), "rule: a\n", "rule: c\n"),
        Replaced(TwoOfAShape(pattern, "amount > 22", "t"), "rule: b\n", "rule: d\n"),
        TwoOfAShape(pattern, "amount > 22", "t"),
    };
    auto rules = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
    OneShard shard(rules);
    shard.KeepChanges();
    testing::UnitStore store;
    int at = 0;
    const auto go_on = [&](OneShard* one, int events) { one->Apply(at, at + events); };
    for (const std::string& edit : kEdits) {
      INFO(edit);
      go_on(&shard, 40);
      at += 40;
      shard.Snapshot(&store);
      rules = Follow(rules.get(), edit);
      shard.Swap(rules);
      if (at % 80 == 0) {  // else the edit and what follows it are written together
        shard.Snapshot(&store);
        testing::UnitStore unchanged = store;
        shard.Snapshot(&store);
        CHECK(store.units() == unchanged.units());
      }
      go_on(&shard, 40);
      at += 40;
      shard.Snapshot(&store);
      // Another process that runs the same rules goes on alike.
      OneShard other(rules);
      other.Restore(store, 1000 + (at - 1) * 10);
      testing::UnitStore others = store;
      shard.results.clear();
      go_on(&shard, 100);
      go_on(&other, 100);
      CHECK(other.results == shard.results);
      CHECK_FALSE(shard.results.empty());
      at += 100;
      shard.Snapshot(&store);
      other.Snapshot(&others);
      CHECK(others.units().size() == store.units().size());
    }
  }
}

// Patterns that end, of rules that drain.
std::vector<std::string> Ending() {
  std::vector<std::string> patterns;
  for (const std::string& pattern : Patterns()) {
    if (pattern.find("within") == std::string::npos) continue;
    patterns.push_back(pattern + "    on_change: drain\n");
  }
  return patterns;
}

// The same, whose matches of rule `b` all start before the event.
std::string Until(std::string text, int event) {
  const size_t b = text.find("rule: b");
  const size_t at = text.find("where: type == 'l'", b);
  return text.insert(at + 18, " && n < " + std::to_string(event));
}

TEST_CASE("RunningRules: what is to become of partial matches that cannot go on",
          "[daemon][unit]") {
  const std::string drain = "within: 1m\n    on_change: drain";
  const std::string two = Replaced(kTwo, "within: 1m", drain);  // of `pair`
  const auto first = Follow(nullptr, two);
  struct Case {
    const char* from;
    std::string to;
    const char* verdicts;
    size_t generations;
    const char* why;
  };
  const Case kCases[] = {
      {"begin: a\n", "begin: c\n", "other:identical pair:drain ", 3,
       "stage `a` became `c`; the former version finishes what it began"},
      {"rule: pair", "rule: third", "other:identical pair:drain third:new ", 3,
       "the former version finishes what it began"},
      {"key: [account]", "key: [card]", "other:identical pair:drain ", 3, ""},
      {"\"${b.amount}\"", "\"${b.shop}\"", "other:identical pair:drain ", 3, ""},
      {"'login'", "'log-in'", "other:identical pair:compatible ", 2, ""},
      // Whether it is to drain changes nothing of what it matches.
      {"\n    on_change: drain", "", "other:identical pair:compatible ", 1, ""},
      // The new version decides.
      {"begin: a\n", "begin: c # ", "other:identical pair:reset ", 2, ""},
  };
  for (const Case& c : kCases) {
    INFO(c.to);
    std::string text = Replaced(two, c.from, c.to);
    if (c.to == "begin: c # ") {
      text = Replaced(Replaced(two, c.from, "begin: c\n"), "\n    on_change: drain", "");
    }
    const auto next = Follow(first.get(), text);
    CHECK(Verdicts(*next) == c.verdicts);
    CHECK(next->patterns->generations.size() == c.generations);
    for (const RuleVerdict& verdict : next->verdicts) {
      if (verdict.verdict != Verdict::kDrain || *c.why == 0) continue;
      CHECK(verdict.why == c.why);
    }
    const bool drains = std::string(c.verdicts).find("drain") != std::string::npos;
    CHECK(CountDraining(*next->rules) == (drains ? 1 : 0));
    if (!drains) continue;
    // Beside the version that has replaced it, with what it has.
    CHECK(next->rules->rules.size() >= 2);
    const FormerVersion former = FormerOf(*next, "pair");
    CHECK(former.rule_set == first->rules->version);
    CHECK(former.incarnation == first->incarnations[1]);
    // It is not the next edit's.
    const auto third = Follow(next.get(), Replaced(text, "'x'", "'y'"));
    CHECK(FormerOf(*third, "pair").incarnation == first->incarnations[1]);
    CHECK(Verdicts(*third).find("drain") == std::string::npos);
    // Nothing is open in it.
    const auto done = *EndDraining(*third, std::vector<bool>(third->rules->rules.size()));
    CHECK(CountDraining(*done->rules) == 0);
    CHECK(done->rules->version == third->rules->version);
    CHECK(done->patterns->generations.size() < third->patterns->generations.size());
  }
  // A version that has no end is not waited for.
  const std::string endless = Replaced(kTwo, "    within: 1m\n", "");
  const auto reset =
      Follow(Follow(nullptr, endless).get(), Replaced(two, "begin: a\n", "begin: c\n"));
  CHECK(Verdicts(*reset) == "other:identical pair:reset ");
  CHECK(reset->verdicts[1].why.find("has no `within`") != std::string::npos);
}

TEST_CASE("RunningRules: versions that drain are bounded", "[daemon][unit]") {
  const std::string pattern = Ending()[0];
  auto rules = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
  for (size_t i = 0; i < kMaxDraining; ++i) {
    rules = Follow(rules.get(), TwoOfAShape(pattern, "amount > 20", i % 2 == 0 ? "t" : "s"));
    REQUIRE(Verdicts(*rules) == "a:identical b:drain ");
  }
  CHECK(CountDraining(*rules->rules) == kMaxDraining);
  rules = Follow(rules.get(), TwoOfAShape(pattern, "amount > 20", "u"));
  CHECK(Verdicts(*rules) == "a:identical b:reset ");
  CHECK(CountDraining(*rules->rules) == kMaxDraining);
}

TEST_CASE("RunningRules: a former version finishes what it began, and nothing else",
          "[daemon][unit]") {
  size_t drained = 0;
  for (const std::string& pattern : Ending()) {
    for (const bool is_removed : {false, true}) {
      INFO(pattern << is_removed);
      const std::string text = TwoOfAShape(pattern, "amount > 20");
      const auto first = Follow(nullptr, text);
      REQUIRE(first->patterns->generations[0].patterns->blocks.size() == 1);
      const auto next = Follow(first.get(), is_removed ? Replaced(text, "rule: b\n", "rule: c\n")
                                                       : TwoOfAShape(pattern, "amount > 25", "t"));
      OneShard untouched(first);
      OneShard ending(Follow(nullptr, Until(text, kSwap)));
      OneShard swapped(first);
      OneShard fresh(next);
      for (OneShard* shard : {&untouched, &ending, &swapped}) shard->Apply(0, kSwap);
      swapped.Swap(next);
      for (OneShard* shard : {&untouched, &ending, &swapped, &fresh}) shard->Apply(kSwap, kEnd);
      CHECK(swapped.results["a"] == untouched.results["a"]);
      std::vector<std::string> both = swapped.results["b"];
      const std::string now = is_removed ? "c" : "b";
      if (!is_removed) both.resize(both.size() - fresh.results["b"].size());
      both.insert(both.end(), swapped.results["b#"].begin(), swapped.results["b#"].end());
      CHECK(both == ending.results["b"]);
      drained += swapped.results["b#"].size();
      const std::vector<std::string>& news = swapped.results[now];
      CHECK(std::vector<std::string>(news.end() - static_cast<ptrdiff_t>(fresh.results[now].size()),
                                     news.end()) == fresh.results[now]);
      CHECK(std::is_sorted(swapped.in_order.begin(), swapped.in_order.end()));
      // All of it has ended by now, and the version goes.
      const std::vector<bool> open = swapped.Open();
      CHECK(std::count(open.begin(), open.end(), true) == 0);
      swapped.Swap(*EndDraining(*next, open));
      swapped.Apply(kEnd, kEnd + 50);
      fresh.Apply(kEnd, kEnd + 50);
      CHECK(swapped.results[now].back() == fresh.results[now].back());
    }
  }
  CHECK(drained > 100);
}

TEST_CASE("RunningRules: what drains is stored, over edits and restarts", "[daemon][unit]") {
  size_t drained = 0;
  for (const std::string& pattern : Ending()) {
    INFO(pattern);
    auto rules = Follow(nullptr, TwoOfAShape(pattern, "amount > 20"));
    OneShard shard(rules);
    shard.KeepChanges();
    testing::UnitStore store;
    int at = 0;
    const auto check_restart = [&](const RuleRecord& record, const std::string& text) {
      const RuleRecord read = *DecodeRuleRecord(EncodeRuleRecord(record));
      CHECK(read == record);
      const auto loaded = Follow(nullptr, text);
      std::vector<std::string> dropped;
      const StoredRules stored = FitRules(read, *loaded->rules, &dropped);
      CHECK(dropped.empty());
      const auto again = *FollowRules(nullptr, loaded->rules, &stored);
      CHECK(again->incarnations == rules->incarnations);
      OneShard other(again);
      other.Restore(store, 1000 + (at - 1) * 10);
      other.Apply(at, at + 100);
      return other.results;
    };
    // Two versions of a rule at once under each key, then three; then another rule's edit.
    const std::pair<const char*, const char*> kEdits[] = {
        {"t", "amount > 22"}, {"u", "amount > 21"}, {"u", "amount > 20"}, {"s", "amount > 20"}};
    for (const auto& [stage, condition] : kEdits) {
      shard.Apply(at, at + 30);
      at += 30;
      shard.Snapshot(&store);
      const std::string text = TwoOfAShape(pattern, condition, stage);
      // Edited while it runs, and while it does not.
      const RuleRecord before = RecordOf(*rules);
      rules = Follow(rules.get(), text);
      shard.Swap(rules);
      const auto offline = check_restart(before, text);
      shard.Snapshot(&store);
      const auto online = check_restart(RecordOf(*rules), text);
      shard.results.clear();
      shard.Apply(at, at + 100);
      at += 100;
      shard.Snapshot(&store);
      CHECK(shard.results == online);
      CHECK(shard.results == offline);
      drained += shard.results["b#"].size();
    }
    shard.Apply(at, at + 500);
    shard.Swap(*EndDraining(*rules, shard.Open()));
    shard.Snapshot(&store);
    store.ForEach([](const cep::RestoredUnit& unit) {
      CHECK(unit.name.owner.find('#') == std::string_view::npos);
    });
  }
  CHECK(drained > 100);
}

// As Family(), of rules that drain; with `until` no match starts at that event or later.
std::string FamilyThatDrains(const std::string& stage, int until = 0) {
  std::string text = "version: 1\nrules:\n";
  const std::string start =
      "type == 'l'" + (until > 0 ? " && n < " + std::to_string(until) : std::string());
  for (int i = 0; i < 130; ++i) {
    text +=
        "  - rule: r" + std::to_string(100 + i) +
        "\n    key: [account]\n    within: 500ms\n    on_change: drain\n    pattern: [{ begin: " +
        stage + ", where: \"" + start +
        "\" }, { followed_by: p, where: \"type == 'p' && amount > " + std::to_string(26 + i % 3) +
        "\" }]\n";
  }
  return text;
}

TEST_CASE("RunningRules: rules of a family drain", "[daemon][unit]") {
  auto rules = Follow(nullptr, FamilyThatDrains("s"));
  REQUIRE(rules->patterns->generations[0].patterns->families.size() == 1);
  OneShard shard(rules);
  OneShard ending(Follow(nullptr, FamilyThatDrains("s", 411)));
  for (OneShard* one : {&shard, &ending}) one->Apply(0, 411);
  rules = Follow(rules.get(), FamilyThatDrains("t"));
  CHECK(CountDraining(*rules->rules) == 130);
  shard.Swap(rules);
  shard.results.clear();
  ending.results.clear();
  for (OneShard* one : {&shard, &ending}) one->Apply(411, 600);
  CHECK_FALSE(ending.results.empty());
  for (const auto& [rule, results] : ending.results) {
    INFO(rule);
    CHECK(shard.results[rule + "#"] == results);
  }
  const std::vector<bool> open = shard.Open();
  CHECK(std::count(open.begin(), open.end(), true) == 0);
}

// More rules of a shape than a block holds: `edited` says the lines of some of them.
std::string Family(const std::map<int, std::string>& edited) {
  std::string text = "version: 1\nrules:\n";
  for (int i = 0; i < 130; ++i) {
    const auto other = edited.find(i);
    const std::string stages = "{ begin: s, where: type == 'l' }, { followed_by: p, where: \"";
    text += "  - rule: r" + std::to_string(100 + i) + "\n    key: [account]\n    within: 50ms\n" +
            (other != edited.end() ? other->second
                                   : "    pattern: [" + stages + "type == 'p' && amount > " +
                                         std::to_string(36 + i % 3) + "\" }]\n");
  }
  return text;
}

TEST_CASE("RunningRules: what is stored follows edits of a family's rules", "[daemon][unit]") {
  std::map<int, std::string> edited;
  auto rules = Follow(nullptr, Family(edited));
  REQUIRE(rules->patterns->generations[0].patterns->families.size() == 1);
  OneShard shard(rules);
  shard.KeepChanges();
  testing::UnitStore store;
  int at = 0;
  // The first rule, in whose name the family's state is stored, then others, then a whole block.
  const std::pair<int, int> kEdited[] = {{0, 1}, {1, 3}, {70, 71}, {0, 64}, {0, 2}};
  size_t results = 0;
  for (int round = 0; round < 30; ++round) {
    const auto [first, end] = kEdited[round % 5];
    const std::string text = std::string("    pattern: [{ begin: ") + (round % 4 == 3 ? "t" : "s") +
                             ", where: type == 'l' }, { followed_by: p, where: \"type == 'p' && "
                             "amount > " +
                             std::to_string(34 + round % 5) + "\" }]\n";
    for (int turn = 0; turn < 3; ++turn) {
      shard.Apply(at, at + 7);
      at += 7;
      shard.Snapshot(&store);
    }
    for (int i = first; i < end; ++i) edited[i] = text;
    rules = Follow(rules.get(), Family(edited));
    shard.Swap(rules);
    shard.Snapshot(&store);
    OneShard other(rules);
    other.Restore(store, 1000 + (at - 1) * 10);
    shard.results.clear();
    shard.Apply(at, at + 60);
    other.Apply(at, at + 60);
    at += 60;
    CHECK(other.results == shard.results);
    results += shard.results.size();
    shard.Snapshot(&store);
  }
  CHECK(results > 200);
}

}  // namespace
}  // namespace vigil::daemon
