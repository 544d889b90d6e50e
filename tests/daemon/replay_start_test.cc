// From a checkpoint, and the journal of a later state, to what a replay begins with.
#include "daemon/replay_start.h"

#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "daemon/control_journal.h"
#include "daemon/running_rules.h"
#include "state/checkpoint.h"
#include "state/reader.h"
#include "state/rocksdb_store.h"
#include "state/savepoint.h"
#include "tests/support/process.h"

namespace vigil::daemon {
namespace {

using vigil::testing::TempDir;
using Kind = cep::TimeEvent::Kind;

const cep::Partition kPartition{"s", "t", 3, "s/t/3"};

TEST_CASE("Journal: what happened to a partition's time comes back", "[daemon][unit]") {
  for (const Kind kind : {Kind::kJoined, Kind::kIdle, Kind::kReturned}) {
    const state::JournalEntry entry = EntryOf(
        {.kind = kind, .watermark = -7, .engine = 5, .offset = uint64_t{1} << 41}, kPartition);
    CHECK(entry.watermark == 5);
    const cep::MarkedPartition marked = *MarkOf(entry);
    CHECK(cep::PlaceOf(marked.source, marked.topic, marked.number) == kPartition.place);
    REQUIRE(marked.marks.size() == 1);
    CHECK(marked.marks[0].joins == (kind != Kind::kIdle));
    CHECK(marked.marks[0].offset == uint64_t{1} << 41);
    CHECK(marked.marks[0].watermark == -7);
    for (size_t size = 0; size < entry.body.size(); ++size) {
      CHECK(absl::IsDataLoss(MarkOf({entry.kind, 5, entry.body.substr(0, size)}).status()));
    }
    CHECK(absl::IsDataLoss(MarkOf({entry.kind, 5, entry.body + "x"}).status()));
  }
}

TEST_CASE("Journal: offsets that a clock refused come back as ranges", "[daemon][unit]") {
  const state::JournalEntry entry = EntryOfRefused(kPartition, {0, 1, 5, 9, 10, 11}, 7);
  const cep::MarkedPartition marked = *MarkOf(entry);
  CHECK(marked.number == 3);
  CHECK(marked.marks.empty());
  std::string ranges;
  for (const cep::OffsetRange& range : marked.refused) {
    ranges += std::to_string(range.first) + "-" + std::to_string(range.end) + " ";
  }
  CHECK(ranges == "0-2 5-6 9-12 ");
  for (size_t size = 0; size < entry.body.size(); ++size) {
    CHECK(absl::IsDataLoss(MarkOf({entry.kind, 5, entry.body.substr(0, size)}).status()));
  }
  // Lengths that no offset could have.
  std::string huge = entry.body.substr(0, 5);
  huge.append("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  CHECK(absl::IsDataLoss(MarkOf({entry.kind, 5, huge}).status()));
}

constexpr const char* kPair =
    "version: 1\nrules:\n  - rule: pair\n    key: k\n    pattern:\n"
    "      - { begin: one, where: 'x == 1' }\n      - { followed_by: two, where: 'y > one.y' }\n";

std::string Edited(std::string rules, const std::string& from, const std::string& to) {
  rules.replace(rules.find(from), from.size(), to);
  return rules;
}

std::shared_ptr<const RunningRules> Running(const std::string& text,
                                            const RunningRules* before = nullptr) {
  rules::LoadOptions load;
  if (before != nullptr) load.layout = before->rules->layout;
  const rules::LoadResult loaded =
      rules::LoadRuleTexts({{"rules.yaml", text}}, std::make_shared<const cep::Schema>(), load);
  REQUIRE(loaded.rules != nullptr);
  return *FollowRules(before, loaded.rules);
}

// A state directory of a job that has one partition.
class Written {
 public:
  explicit Written(const std::string& path) : path_(path) {
    log_ = *state::CommitLog::Open(*state::OpenRocksDbStore(path));
    REQUIRE(log_->StartBoot(7).ok());
  }
  void Commit(int64_t offset, std::vector<state::JournalEntry> journal,
              const RunningRules* rules = nullptr) {
    struct state::Commit commit;
    commit.watermark = 50;
    state::PartitionPosition at;
    at.source = "s";
    at.topic = "t";
    at.partition = 3;
    at.next_offset = offset;
    at.ledger.read = at.ledger.processed = static_cast<uint64_t>(offset);
    commit.positions.push_back(at);
    commit.journal = std::move(journal);
    if (rules != nullptr) {
      commit.rule_set =
          state::RuleSetText{rules->rules->version, EncodeRuleRecord(RecordOf(*rules))};
    }
    REQUIRE(log_->Commit(commit).ok());
  }
  std::string Checkpoint(size_t keep = 9) { return *state::MakeCheckpoint(*log_, path_, keep); }

 private:
  std::string path_;
  std::unique_ptr<state::CommitLog> log_;
};

state::JournalEntry RulesEntry(const RunningRules& rules, int64_t watermark) {
  return {static_cast<uint64_t>(JournalKind::kRules), watermark, EncodeRuleRecord(RecordOf(rules))};
}

TEST_CASE("ReadCheckpoint: the journal from its commit on, up to where the run ended time",
          "[daemon][unit]") {
  const TempDir dir;
  const auto first = Running(kPair);
  const auto second = Running(Edited(kPair, "x == 1", "x == 2"), first.get());
  const state::JournalEntry idle = EntryOf({.kind = Kind::kIdle, .offset = 12}, kPartition);
  const state::JournalEntry returned =
      EntryOf({.kind = Kind::kReturned, .watermark = 90, .offset = 12}, kPartition);
  const state::JournalEntry ended{static_cast<uint64_t>(JournalKind::kEnded), cep::kMaxTime, ""};
  Written state(dir.Path("state"));
  state.Commit(5, {idle}, first.get());
  state.Commit(10, {});
  const std::string at = state.Checkpoint();
  const auto alone = ReadCheckpoint({.directory = at}, {"s"});
  INFO(alone.status());
  REQUIRE(alone.ok());
  CHECK(alone->commit == 2);
  CHECK(alone->journal_end == 2);
  state.Commit(20, {idle, returned});
  state.Commit(30, {RulesEntry(*second, 70)}, second.get());
  const std::string later = state.Checkpoint();
  state.Commit(30, {ended});
  state.Commit(40, {returned});

  const auto read = ReadCheckpoint({.directory = at}, {"s"});
  INFO(read.status());
  REQUIRE(read.ok());
  CHECK(read->commit == 2);
  CHECK(read->journal_end == 5);
  CHECK(read->has_ended);
  CHECK(read->start.resume.partitions.at(0).next_offset == 10);
  REQUIRE(read->start.marks.size() == 1);
  REQUIRE(read->start.marks[0].marks.size() == 2);
  CHECK(read->start.marks[0].marks[1].watermark == 90);
  REQUIRE(read->steps.size() == 2);
  CHECK(read->steps[1].from == 70);
  std::vector<rules::Diagnostic> found;
  const auto schema = std::make_shared<const cep::Schema>();
  const auto steps = FollowSteps(read->steps, {}, schema, {}, {}, &found);
  INFO(steps.status());
  REQUIRE(steps.ok());
  CHECK(steps->at(0).rules->rules->version == first->rules->version);
  CHECK(steps->at(1).rules->rules->version == second->rules->version);
  CHECK(steps->at(1).rules->verdicts.at(0).verdict == Verdict::kCompatible);
  // Savepoints of both say the same.
  for (const std::string& from : {at, dir.Path("state")}) {
    const auto log = state::OpenLogToRead(from);
    REQUIRE(log.ok());
    REQUIRE(state::WriteSavepoint(**log, dir.Path(from == at ? "at" : "now")).ok());
  }
  const auto portable =
      ReadCheckpoint({.directory = dir.Path("at"), .journal = dir.Path("now")}, {"s"});
  INFO(portable.status());
  REQUIRE(portable.ok());
  CHECK(portable->commit == 2);
  CHECK(portable->journal_end == 5);
  CHECK(portable->steps.size() == 2);
  const std::string whole = vigil::testing::ReadFile(dir.Path("at"));
  dir.Write("cut", whole.substr(0, whole.size() / 2));
  CHECK(absl::IsDataLoss(ReadCheckpoint({.directory = dir.Path("cut")}, {"s"}).status()));
  // A state in between says less.
  const auto between = ReadCheckpoint({.directory = at, .journal = later}, {"s"});
  REQUIRE(between.ok());
  CHECK(between->journal_end == 4);
  CHECK_FALSE(between->has_ended);

  // Of a rule set of the user's own the version must be the stored one.
  const std::string other = Edited(kPair, "x == 1", "x == 3");
  const auto refused = FollowSteps(read->steps, {{"mine.yaml", other}}, schema, {}, {}, &found);
  CHECK(absl::IsFailedPrecondition(refused.status()));
  CHECK_THAT(std::string(refused.status().message()),
             Catch::Contains(first->rules->version) && Catch::Contains("without -r"));
  CHECK(FollowSteps(read->steps, {{"mine.yaml", kPair}}, schema, {}, {}, &found).ok());
  const auto bad = FollowSteps(read->steps, {{"mine.yaml", "rules: 3"}}, schema, {}, {}, &found);
  CHECK(absl::IsInvalidArgument(bad.status()));
  CHECK_FALSE(found.empty());
  // Partial matches that the run kept and a replay would not.
  std::vector<StoredStep> strange = read->steps;
  strange[1].record.rules.at("pair").incarnation = 9;
  const auto otherwise = FollowSteps(strange, {}, schema, {}, {}, &found);
  CHECK(absl::IsFailedPrecondition(otherwise.status()));
  CHECK_THAT(std::string(otherwise.status().message()), Catch::Contains("rule pair"));
}

TEST_CASE("ReadCheckpoint: what is not there, or not of the same job, is refused",
          "[daemon][unit]") {
  const TempDir dir;
  const auto rules = Running(kPair);
  Written state(dir.Path("state"));
  CHECK(absl::IsNotFound(ReadCheckpoint({.directory = dir.Path("state")}, {"s"}).status()));
  state.Commit(10, {}, rules.get());
  state.Commit(11, {});
  const std::string at = state.Checkpoint();
  const auto why = [&](const std::string& journal) {
    const auto read = ReadCheckpoint({.directory = at, .journal = journal}, {"s"});
    CHECK(absl::IsFailedPrecondition(read.status()));
    return std::string(read.status().message());
  };
  {
    Written early(dir.Path("early"));
    early.Commit(10, {}, rules.get());
  }
  CHECK_THAT(why(dir.Path("early")), Catch::Contains("is not a later state of the same job: it "
                                                     "ends at commit 1, the checkpoint is of "
                                                     "commit 2"));
  {
    Written behind(dir.Path("behind"));
    for (int i = 0; i < 3; ++i) behind.Commit(10, {}, rules.get());
  }
  CHECK_THAT(why(dir.Path("behind")),
             Catch::Contains("s/t/3 is read up to 10 there, up to 11 in the checkpoint"));
  // The checkpoint is older than the oldest that the state still has, and so than its journal.
  std::filesystem::copy(at, dir.Path("kept"), std::filesystem::copy_options::recursive);
  state.Commit(12, {});
  state.Checkpoint(1);
  const auto gone =
      ReadCheckpoint({.directory = dir.Path("kept"), .journal = dir.Path("state")}, {"s"});
  CHECK_THAT(std::string(gone.status().message()), Catch::Contains("begins behind commit 3"));
  const auto nothing = ReadCheckpoint({.directory = dir.Path("none")}, {"s"});
  CHECK_FALSE(nothing.ok());
  const auto sources = ReadCheckpoint({.directory = dir.Path("kept")}, {"other"});
  CHECK_THAT(std::string(sources.status().message()), Catch::Contains("s/t/3 at offset 11"));
}

}  // namespace
}  // namespace vigil::daemon
