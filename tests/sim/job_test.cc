// The whole job in simulated worlds: killed at any step, on disks that fail, with any number of
// shards, what it delivered, what was late and its ledger are those of a plain model.
//
// VIGIL_SIM_SEEDS says how many worlds (24); VIGIL_SIM_SEED is the first one's seed, else random
// and printed upon a failure. A seed fixes the world, and when and how each life ends, up to the
// threads' timing.
#include <cstdio>
#include <cstdlib>
#include <set>

#include <catch2/catch.hpp>
#include <simdjson.h>

#include "cep/base/encoding.h"
#include "tests/sim/life.h"

namespace vigil::sim {
namespace {

uint32_t NumberOfEnvironment(const char* name, uint32_t fallback) {
  const char* value = std::getenv(name);
  return value == nullptr ? fallback : static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
}

std::string TextOf(const ModelResult& result) {
  return std::to_string(result.instant) + " " + result.rule + " " + result.key + " " + result.text;
}

// Both are sorted.
void CheckSame(const std::string& output, const std::vector<std::string>& found,
               const std::vector<std::string>& expected) {
  std::vector<std::string> missing;
  std::vector<std::string> extra;
  std::set_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                      std::back_inserter(missing));
  std::set_difference(found.begin(), found.end(), expected.begin(), expected.end(),
                      std::back_inserter(extra));
  CAPTURE(output, missing, extra);
  REQUIRE(missing.empty());
  REQUIRE(extra.empty());
}

// How lives ended, over all worlds.
struct Tally {
  std::map<state::KillPoint, int> killed;
  int lives = 0;
  int disk_failures = 0;
  uint64_t came_back = 0;  // units that had left memory
  uint64_t idle = 0;
  uint64_t returned = 0;
  uint64_t joined = 0;
  uint64_t late = 0;
  uint64_t results = 0;
};

class Simulation {
 public:
  Simulation(uint32_t seed, Tally* tally)
      : random_(seed), world_(MakeWorld(&random_)), tally_(tally) {
    if (random_.OneIn(4)) {
      disk_ = std::make_unique<RocksSimDisk>();
    } else {
      disk_ = std::make_unique<MemorySimDisk>();
    }
    first_kill_ = random_.Up(5);
  }

  void Run() {
    for (int i = 0; clock_.now_ms < world_.end_ms; ++i) Live(i);
    LiveToTheEnd();
    Check();
  }

 private:
  void Tick() { clock_.now_ms += random_.Up(12); }

  LifePlan AnyPlan() {
    LifePlan plan;
    plan.shards = 1 + static_cast<uint32_t>(random_.Up(3));
    if (!random_.OneIn(3)) plan.memory_bytes = static_cast<uint64_t>(random_.Up(2) * 3000);
    return plan;
  }

  LifePlan PlanOf(int number, int end) {
    LifePlan plan = AnyPlan();
    if (end > 3) return plan;
    plan.kill_point = static_cast<state::KillPoint>((first_kill_ + number) % 5);
    const bool cleans = plan.kill_point >= state::KillPoint::kCleaning;
    plan.kill_after = 1 + random_.Up(cleans ? 3 : 20);
    return plan;
  }

  void Live(int number) {
    const int end = random_.Up(7);
    const LifePlan plan = PlanOf(number, end);
    for (const char* output : kOutputs) {
      daemon::testing::Target& target = targets_[output];
      target.fail = random_.OneIn(12) ? 1 : 0;
      target.fails_after = random_.OneIn(2);
    }
    // Else commits take long by the clock, which goes on meanwhile.
    const bool settles = !random_.OneIn(4);
    // Commits clean once there are some hundred chunks.
    const int steps = plan.kill_after > 0 ? 800 : random_.Up(250);
    const int fails_at = end == 4 ? random_.Up(steps + 1) : -1;
    {
      Life life(world_, plan, disk_.get(), &targets_, &clock_);
      bool goes_on = true;
      for (int i = 0; i < steps && goes_on && clock_.now_ms < world_.end_ms; ++i) {
        if (i == fails_at) disk_->FailSoon(static_cast<unsigned>(random_.Up(1 << 20)));
        goes_on = life.Step();
        if (settles) life.Settle();
        Tick();
      }
      NoteEnd(life, plan, fails_at >= 0);
      if (end == 5 && goes_on) {
        life.StopCleanly();
        if (random_.OneIn(4)) life.Drain();
      } else {
        disk_->CutPower();
      }
    }
    disk_->Restart(static_cast<unsigned>(random_.Up(1 << 20)));
    clock_.now_ms += random_.OneIn(3) ? random_.Up(400) : 0;
  }

  void NoteEnd(const Life& life, const LifePlan& plan, bool may_fail) {
    ++tally_->lives;
    tally_->came_back += life.came_back();
    if (life.was_killed()) {
      ++tally_->killed[plan.kill_point];
    } else if (life.has_failed()) {
      INFO(life.status().ToString());
      REQUIRE(may_fail);
      ++tally_->disk_failures;
    }
  }

  void LiveToTheEnd() {
    LifePlan plan = AnyPlan();
    plan.is_last = true;
    Life life(world_, plan, disk_.get(), &targets_, &clock_);
    for (int i = 0; i < 20'000 && life.Step(); ++i) {
      Tick();
      if (clock_.now_ms >= world_.end_ms) life.LetOthersRun();
    }
    INFO(life.status().ToString());
    REQUIRE(life.is_done());
    REQUIRE(life.Drain());
  }

  // What is stored at the end.
  void ReadState(Journal* journal, std::map<std::string, ModelLedger>* ledgers) {
    auto store = disk_->Open();
    REQUIRE(store.ok());
    auto log = state::CommitLog::Open(*std::move(store));
    REQUIRE(log.ok());
    REQUIRE((*log)->head().is_drained);
    for (const state::PartitionPosition& p : (*log)->head().positions) {
      const std::string place = cep::PlaceOf(p.source, p.topic, p.partition);
      (*ledgers)[place] = {p.ledger.read, p.ledger.processed, p.ledger.late, p.ledger.quarantined};
      REQUIRE(p.ledger.rate_limited + p.ledger.lost == 0);
    }
    const auto entries = (*log)->ReadJournal();
    REQUIRE(entries.ok());
    int64_t engine = cep::kMinTime;
    for (const auto& [commit, entry] : *entries) {
      if (entry.kind > static_cast<uint64_t>(daemon::JournalKind::kReturned)) continue;
      REQUIRE(entry.watermark >= engine);
      engine = entry.watermark;
      ByteReader body(entry.body);
      std::string place(body.Bytes());
      place.append("/").append(body.Bytes()).append("/");
      place += std::to_string(body.Varint());
      Mark mark{static_cast<Mark::Kind>(entry.kind - 1), body.Varint(), body.Signed(), engine};
      REQUIRE(body.AtEnd());
      (*journal)[place].push_back(mark);
      tally_->idle += mark.kind == Mark::Kind::kIdle ? 1 : 0;
      tally_->returned += mark.kind == Mark::Kind::kReturned ? 1 : 0;
      tally_->joined += mark.kind == Mark::Kind::kJoined ? 1 : 0;
    }
  }

  // Alerts in the order of their delivery.
  std::vector<ModelResult> Alerts() {
    std::vector<ModelResult> results;
    std::set<std::string> ids;
    simdjson::dom::parser parser;
    for (const std::string& line : targets_["alerts"].Lines()) {
      const simdjson::padded_string padded(line);
      const simdjson::dom::element alert = parser.parse(padded);
      CAPTURE(line);
      REQUIRE(ids.insert(std::string(std::string_view(alert["id"]))).second);
      std::string text{std::string_view(alert["kind"])};
      for (const auto& stage : simdjson::dom::object(alert["positions"])) {
        for (const simdjson::dom::element place : simdjson::dom::array(stage.value)) {
          text.append(" ").append(std::string_view(place));
        }
      }
      results.push_back({int64_t(alert["at"]), std::string(std::string_view(alert["rule"])),
                         std::string(std::string_view(alert["key"]["account"])), text});
    }
    // Only results of one rule, key and instant may come in any order.
    const auto place = [](const ModelResult& r) { return std::tie(r.instant, r.rule, r.key); };
    for (size_t i = 1; i < results.size(); ++i) {
      INFO("after " << TextOf(results[i - 1]) << " came " << TextOf(results[i]));
      REQUIRE(place(results[i - 1]) <= place(results[i]));
    }
    std::sort(results.begin(), results.end());
    return results;
  }

  // Of records that were turned away.
  std::vector<std::string> Places(const std::string& output) {
    std::vector<std::string> places;
    simdjson::dom::parser parser;
    for (const std::string& line : targets_[output].Lines()) {
      const simdjson::padded_string padded(line);
      places.emplace_back(std::string_view(parser.parse(padded)["place"]));
    }
    std::sort(places.begin(), places.end());
    return places;
  }

  void Check() {
    Journal journal;
    std::map<std::string, ModelLedger> ledgers;
    ReadState(&journal, &ledgers);
    const ModelOutcome expected = RunModel(world_, journal);
    REQUIRE(ledgers == expected.ledgers);
    CheckSame("late", Places("late"), expected.late);
    CheckSame("errors", Places("errors"), expected.quarantined);
    const std::vector<ModelResult> found = Alerts();
    for (size_t i = 0; i < std::min(found.size(), expected.results.size()); ++i) {
      if (found[i] == expected.results[i]) continue;
      FAIL("result " << i << ": expected " << TextOf(expected.results[i]) << "; found "
                     << TextOf(found[i]));
    }
    REQUIRE(found.size() == expected.results.size());
    tally_->late += expected.late.size();
    tally_->results += found.size();
  }

  Random random_;
  const World world_;
  Tally* tally_;
  SimClock clock_;
  std::unique_ptr<SimDisk> disk_;
  Targets targets_;
  int first_kill_ = 0;
};

TEST_CASE("Job: in any world, however often it is killed, it gives what a plain model gives",
          "[sim][property]") {
  const uint32_t worlds = NumberOfEnvironment("VIGIL_SIM_SEEDS", 24);
  const uint32_t first = NumberOfEnvironment("VIGIL_SIM_SEED", std::random_device()());
  Tally tally;
  for (uint32_t i = 0; i < worlds; ++i) {
    const uint32_t seed = first + i;
    INFO("VIGIL_SIM_SEED=" << seed);
    Simulation(seed, &tally).Run();
  }
  std::printf("%u worlds from seed %u: %d lives, %llu units came back, disks failed %d, killed",
              worlds, first, tally.lives, static_cast<unsigned long long>(tally.came_back),
              tally.disk_failures);
  for (const auto& [point, times] : tally.killed) {
    std::printf(" %d at %d", times, static_cast<int>(point));
  }
  std::printf(
      "; %llu marks of silence, %llu of return, %llu of partitions found late; %llu late rows, "
      "%llu "
      "results\n",
      static_cast<unsigned long long>(tally.idle), static_cast<unsigned long long>(tally.returned),
      static_cast<unsigned long long>(tally.joined), static_cast<unsigned long long>(tally.late),
      static_cast<unsigned long long>(tally.results));
  if (worlds < 24) return;
  // It was put to the test.
  CHECK(tally.killed[state::KillPoint::kBeforeCommit] > 0);
  CHECK(tally.killed[state::KillPoint::kChunksWritten] > 0);
  CHECK(tally.killed[state::KillPoint::kAfterCommit] > 0);
  CHECK(tally.killed[state::KillPoint::kCleaning] + tally.killed[state::KillPoint::kCleaned] > 0);
  CHECK(tally.disk_failures > 0);
  CHECK(tally.came_back > 0);
  CHECK(tally.idle > 0);
  CHECK(tally.returned > 0);
  CHECK(tally.joined > 0);
  CHECK(tally.late > 0);
}

}  // namespace
}  // namespace vigil::sim
