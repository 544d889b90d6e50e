// What of a commit, and of its rules, goes on.
#include "daemon/resume.h"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/rule_record.h"
#include "daemon/state_units.h"
#include "rules/load.h"
#include "state/memory_store.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

using vigil::testing::TempDir;

TEST_CASE("Resume: positions go on; of a drained commit nothing else does", "[daemon][unit]") {
  state::CommitHead head;
  head.watermark = 70;
  head.newest_ts = 90;
  state::PartitionPosition position;
  position.source = "s";
  position.topic = "t";
  position.partition = 3;
  position.next_offset = 10;
  for (const int64_t offset : {4, 5, 8}) position.waiting.Append(offset);
  position.watermark = 80;
  position.is_idle = true;
  position.ledger = {10, 5, 1, 1, 0, 0};
  head.positions = {position};
  std::vector<std::string> given_up;
  const cep::JobResume resume = *MakeResume(head, {}, {"s"}, false, &given_up);
  CHECK(resume.watermark == 70);
  CHECK(resume.newest_ts == 90);
  REQUIRE(resume.partitions.size() == 1);
  CHECK(resume.partitions[0].waiting == std::vector<uint64_t>{4, 5, 8});
  CHECK(resume.partitions[0].watermark == 80);
  CHECK(resume.partitions[0].is_idle);
  head.is_drained = true;
  const cep::JobResume drained = *MakeResume(head, {}, {"s"}, false, &given_up);
  CHECK(drained.watermark == cep::kMinTime);
  CHECK(drained.partitions[0].watermark == cep::kMinTime);
  CHECK_FALSE(drained.partitions[0].is_idle);
  CHECK(drained.partitions[0].next_offset == 10);
  // A ledger that does not close is not gone on from.
  head.positions[0].ledger.read = 11;
  CHECK_FALSE(MakeResume(head, {}, {"s"}, true, &given_up).ok());
  head.positions[0].ledger.read = 10;
  const auto refused = MakeResume(head, {}, {"other"}, false, &given_up);
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK(std::string(refused.status().message()).find("s/t/3 at offset 10") != std::string::npos);
  given_up.clear();
  CHECK(MakeResume(head, {}, {"other"}, true, &given_up)->partitions.empty());
  CHECK(given_up == std::vector<std::string>{"s/t/3 at offset 10"});
}

std::shared_ptr<const rules::RuleSet> Load(const TempDir& dir, const std::string& rules) {
  const std::string file = dir.Write("rules.yaml", "version: 1\nrules:\n" + rules);
  const rules::LoadResult loaded =
      rules::LoadRules({file}, std::make_shared<const cep::Schema>(), rules::LoadOptions());
  REQUIRE(loaded.rules != nullptr);
  return loaded.rules;
}

TEST_CASE("RuleRecord: incarnations stay where partial matches can go on", "[daemon][unit]") {
  const TempDir dir;
  const std::string other =
      "  - rule: other\n    key: k\n    pattern: [{ begin: one, where: 'x == 1' }]\n";
  const std::string pair =
      "  - rule: pair\n    key: k\n    within: 5s\n    pattern:\n"
      "      - { begin: one, where: 'x == 1' }\n      - { followed_by: two, where: 'y > one.y' }\n";
  const auto running = *FollowRules(nullptr, Load(dir, other + pair));
  const RuleRecord record = RecordOf(*running);
  CHECK(*DecodeRuleRecord(EncodeRuleRecord(record)) == record);
  REQUIRE(record.rules.size() == 2);
  CHECK(record.rules.at("pair").captured == std::vector<std::string>{"y"});
  CHECK(record.next_incarnation == 3);
  const uint64_t incarnation = record.rules.at("pair").incarnation;

  struct Case {
    const char* what;
    std::string from, to;
    bool goes_on;
  };
  const Case cases[] = {
      {"nothing", "x", "x", true},
      {"a condition", "x == 1", "x == 2", true},
      {"within", "within: 5s", "within: 9s", true},
      {"contiguity", "followed_by: two", "next: two", false},
      {"a name", "begin: one", "begin: uno", false},
      {"the key", "key: k", "key: j", false},
      {"a quantifier", "begin: one,", "begin: one, times: 2,", false},
      {"a field that is not held", "y > one.y", "y > one.z", false},
      {"the rule's id", "rule: pair", "rule: par", false},
  };
  for (const Case& c : cases) {
    INFO(c.what);
    std::string edited = pair;
    const size_t at = edited.find(c.from);
    REQUIRE(at != std::string::npos);
    edited.replace(at, c.from.size(), c.to);
    if (c.to.find("uno") != std::string::npos) edited.replace(edited.find("one.y"), 5, "uno.y");
    if (c.to.find("times") != std::string::npos) edited.replace(edited.find("one.y"), 5, "5.0");
    const auto set = Load(dir, other + edited);
    std::vector<std::string> dropped;
    const StoredRules stored = FitRules(record, *set, &dropped);
    CHECK(dropped == (c.goes_on ? std::vector<std::string>{} : std::vector<std::string>{"pair"}));
    const auto next = *FollowRules(nullptr, set, &stored);
    CHECK(next->incarnations[0] == record.rules.at("other").incarnation);
    CHECK(next->incarnations[1] == (c.goes_on ? incarnation : 3));
    CHECK(next->next_incarnation == (c.goes_on ? 3 : 4));
  }
  const std::string bytes = EncodeRuleRecord(record);
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(absl::IsDataLoss(DecodeRuleRecord(bytes.substr(0, size)).status()));
  }
  CHECK(absl::IsUnimplemented(DecodeRuleRecord("\x63").status()));
}

TEST_CASE("RuleRecord: one of the former format has no texts", "[daemon][unit]") {
  // Format 1, version `v`, next incarnation 9, one rule `r` of incarnation 8 that holds `x`.
  std::string bytes =
      std::string("\x01\x01v\x09\x01\x01r\x08") + std::string(32, 'h') + "\x01\x01x";
  const RuleRecord record = *DecodeRuleRecord(bytes);
  CHECK(record.version == "v");
  CHECK(record.next_incarnation == 9);
  CHECK(record.rules.at("r").incarnation == 8);
  CHECK(record.rules.at("r").captured == std::vector<std::string>{"x"});
  CHECK(record.rules.at("r").text.empty());
  CHECK(record.draining.empty());
  // What it has of a rule that is gone cannot drain.
  const TempDir dir;
  std::vector<std::string> dropped;
  const auto set = Load(dir, "  - rule: other\n    key: k\n    pattern: [{ begin: one }]\n");
  CHECK(FitRules(record, *set, &dropped).draining.empty());
  CHECK(dropped == std::vector<std::string>{"r"});
}

TEST_CASE("RuleRecord: a former version that cannot be compiled any more is dropped",
          "[daemon][unit]") {
  const TempDir dir;
  const std::string pair =
      "  - rule: pair\n    key: k\n    within: 5s\n    on_change: drain\n    pattern:\n"
      "      - { begin: one, where: 'x == 1' }\n      - { followed_by: two, where: 'y > one.y' }\n";
  const std::string other = "  - rule: other\n    key: k\n    pattern: [{ begin: one }]\n";
  const auto first = *FollowRules(nullptr, Load(dir, pair));
  rules::LoadOptions load;
  load.layout = first->rules->layout;
  const rules::LoadResult loaded = rules::LoadRuleTexts(
      {{"t", "version: 1\nrules:\n" + other}}, std::make_shared<const cep::Schema>(), load);
  REQUIRE(loaded.rules != nullptr);
  const auto running = *FollowRules(first.get(), loaded.rules);
  const RuleRecord record = RecordOf(*running);
  REQUIRE(record.draining.size() == 1);
  const auto dropped_of = [&](const RuleRecord& from) {
    std::vector<std::string> dropped;
    const StoredRules stored = FitRules(from, *Load(dir, other), &dropped);
    CHECK(stored.draining.size() + dropped.size() == 1);
    return dropped.size();
  };
  CHECK(dropped_of(record) == 0);
  const std::pair<std::string, std::string> kDamages[] = {{"x == 1", "nothing("},
                                                          {"\"pair\"", "\"other\""},
                                                          {"\"within\": \"5s\", ", ""},
                                                          {"one.y", "one.z"}};
  for (const auto& [from, to] : kDamages) {
    INFO(from);
    RuleRecord changed = record;
    std::string& text = changed.draining[0].text;
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    CHECK(dropped_of(changed) == 1);
  }
}

TEST_CASE("State units: what one packer wrote comes back, or is taken out", "[daemon][unit]") {
  const auto disk = state::NewMemoryDisk();
  constexpr uint64_t kSeed = 5;
  const auto commit = [](state::CommitLog* log, std::vector<std::string> chunks) {
    struct state::Commit commit;
    commit.shards = {{0, std::move(chunks)}};
    REQUIRE(log->Commit(commit).ok());
  };
  auto log = *state::CommitLog::Open(state::OpenMemoryStore(disk));
  REQUIRE(log->StartBoot(1).ok());
  auto packer = MakeChunkPackers(kSeed)(0);
  cep::StoredParts parts[3];
  const cep::UnitName names[] = {
      {1, "k", "a", "rule"}, {512, "k", "b", "rule"}, {1023, "k", "c", ""}};
  const std::string_view segments[] = {"first ", "second"};
  for (int i = 0; i < 3; ++i) REQUIRE(packer->Put(names[i], {7, 9}, segments, &parts[i]).ok());
  commit(log.get(), packer->Take());
  for (const bool wanted : {true, false}) {
    std::vector<std::string> seen;
    auto again = MakeChunkPackers(kSeed)(0);
    const cep::ReadUnits read =
        ReadUnitsOf(std::shared_ptr<const state::Restorer>(*log->MakeRestorer()), kSeed, wanted);
    for (uint32_t shard = 0; shard < 3; ++shard) {
      REQUIRE(read(cep::GroupsOf(shard, 3), again.get(), [&](const cep::RestoredUnit& unit) {
                seen.push_back(std::string(unit.name.key_values));
                CHECK(unit.body == "first second");
                CHECK(unit.kind == cep::UnitKind{7, 9});
                // Unchanged, so it is not written again.
                cep::StoredParts stored = unit.stored;
                return again->Put(unit.name, unit.kind, segments, &stored);
              }).ok());
    }
    std::vector<std::string> chunks = again->Take();
    if (wanted) {
      CHECK(seen == std::vector<std::string>{"a", "b", "c"});
      CHECK(chunks.empty());
      continue;
    }
    CHECK(seen.empty());
    commit(log.get(), std::move(chunks));
    const auto restorer = *log->MakeRestorer();
    REQUIRE(restorer
                ->Restore(
                    0, cep::kKeyGroups,
                    [](const state::StoredUnit&) { return absl::InternalError("a unit is left"); })
                .ok());
  }
}

TEST_CASE("State units: what cannot be taken ends the reading", "[daemon][unit]") {
  constexpr uint64_t kSeed = 5;
  auto log = *state::CommitLog::Open(state::OpenMemoryStore(state::NewMemoryDisk()));
  REQUIRE(log->StartBoot(1).ok());
  auto packer = MakeChunkPackers(kSeed)(0);
  const std::string large(2000, 'x');
  for (int i = 0; i < 5000; ++i) {
    cep::StoredParts stored;
    const std::string key = std::to_string(i);
    const std::string_view segment = large;
    REQUIRE(packer->Put({1, "k", key, "rule"}, {7, 9}, {&segment, 1}, &stored).ok());
  }
  struct state::Commit commit;
  commit.shards = {{0, packer->Take()}};
  REQUIRE(log->Commit(commit).ok());
  const cep::ReadUnits read =
      ReadUnitsOf(std::shared_ptr<const state::Restorer>(*log->MakeRestorer()), kSeed, true);
  const auto read_until = [&](int last) {
    int seen = 0;
    const Status status = read({0, cep::kKeyGroups}, packer.get(), [&](const cep::RestoredUnit&) {
      return seen++ == last ? absl::DataLossError("no") : absl::OkStatus();
    });
    return std::pair(seen, status.code());
  };
  CHECK(read_until(-1) == std::pair(5000, absl::StatusCode::kOk));
  CHECK(read_until(0) == std::pair(1, absl::StatusCode::kDataLoss));
  CHECK(read_until(4999) == std::pair(5000, absl::StatusCode::kDataLoss));
}

TEST_CASE("State units: what is removed makes way for what is put, whenever it is said",
          "[daemon][unit]") {
  constexpr uint64_t kSeed = 5;
  auto log = *state::CommitLog::Open(state::OpenMemoryStore(state::NewMemoryDisk()));
  REQUIRE(log->StartBoot(1).ok());
  auto packer = MakeChunkPackers(kSeed)(0);
  const cep::UnitName name = {1, "k", "a", "rule"};
  const auto commit = [&] {
    struct state::Commit commit;
    commit.shards = {{0, packer->Take()}};
    REQUIRE(log->Commit(commit).ok());
  };
  cep::StoredParts former;
  const std::string_view two[] = {"first ", "second"};
  REQUIRE(packer->Put(name, {7, 9}, two, &former).ok());
  commit();
  // One operator has taken over what another one removes later.
  cep::StoredParts latter;
  const std::string_view one[] = {"third"};
  REQUIRE(packer->Put(name, {7, 9}, one, &latter).ok());
  REQUIRE(packer->Remove(name, &former).ok());
  commit();
  std::vector<std::string> bodies;
  const auto restorer = *log->MakeRestorer();
  REQUIRE(restorer
              ->Restore(0, cep::kKeyGroups,
                        [&](const state::StoredUnit& unit) {
                          bodies.emplace_back(unit.body);
                          return absl::OkStatus();
                        })
              .ok());
  CHECK(bodies == std::vector<std::string>{"third"});
}

TEST_CASE("Key groups: the ranges of shards are what ShardOf() says", "[daemon][unit]") {
  for (const uint32_t shards : {1u, 2u, 3u, 7u, 100u, 1024u}) {
    uint32_t next = 0;
    for (uint32_t shard = 0; shard < shards; ++shard) {
      const cep::KeyGroupRange groups = cep::GroupsOf(shard, shards);
      CHECK(groups.first == next);
      next = groups.end;
      for (uint32_t g = groups.first; g < groups.end; ++g) {
        if (cep::ShardOf(uint64_t{g} << 54, shards) != shard) FAIL("group " << g);
      }
    }
    CHECK(next == cep::kKeyGroups);
  }
}

}  // namespace
}  // namespace vigil::daemon
