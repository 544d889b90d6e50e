// The log on a real RocksDB equals a plain map, whatever commits, crashes and restarts come.
//
// A crash stops the log at a kill point or lets the disk fail, then loses what was not synced, with
// a random piece of it left. VIGIL_PROPERTY_ROUNDS multiplies the number of samples.
#include <cstdlib>
#include <deque>
#include <functional>

#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include "state/rocksdb_store.h"
#include "tests/state/faulty_env.h"
#include "tests/state/support.h"
#include "tests/support/process.h"

namespace vigil::state::testing {
namespace {

using vigil::testing::TempDir;

// What must be there after a restart.
struct Model {
  uint64_t number = 0;
  Units units;
  std::vector<std::pair<uint64_t, std::string>> outbox;
  int64_t next_offset = 0;
  bool operator==(const Model&) const = default;
};

class Machine {
 public:
  Machine() : env_(rocksdb::NewCompositeEnv(files_)) { Start(); }

  void Step(int kind, uint64_t random) {
    switch (kind) {
      case 0:
      case 1:
      case 2:
      case 3:
        Write(random);
        break;
      case 4:  // stopped at a point
        kill_ = static_cast<KillPoint>(random % 5);
        Write(random / 5);
        kill_.reset();
        break;
      case 5:  // the disk fails, then the machine goes down
        files_->Set(static_cast<Fault>(1 + random % 3), static_cast<int>(random / 3 % 4));
        Write(random);
        files_->Set(Fault::kNone);
        break;
      case 6:
        Crash(random);
        break;
      default:  // a clean restart
        log_.reset();
        Start();
    }
  }

  void Check() {
    log_.reset();
    Start();
  }

 private:
  void Start() {
    RocksDbOptions options;
    options.env = env_.get();
    options.write_buffer_bytes = 64 << 10;  // so that flushes happen
    auto store = OpenRocksDbStore(folder_.Path("state"), options);
    if (!store.ok()) FAIL(store.status().ToString());
    CommitLogOptions log_options;
    log_options.least_chunk_bytes = 16 << 10;
    log_options.loose_chunks = 4;
    log_options.kill_point = [this](KillPoint point) {
      return point == kill_ ? absl::AbortedError("killed") : absl::OkStatus();
    };
    auto log = CommitLog::Open(*std::move(store), log_options);
    if (!log.ok()) FAIL(log.status().ToString());
    log_ = *std::move(log);
    // At times in many walks over the chunks.
    writer_.Restore(*log_, boots_ % 3 == 0 ? 8 << 10 : kRestoreBytes);
    Compare();
    REQUIRE(log_->StartBoot(++boots_ * 1000).ok());
  }

  // The log holds the last commit that was acknowledged, or the one that was under way.
  void Compare() {
    Model found;
    found.number = log_->head().number;
    found.units = writer_.units;
    if (!log_->head().positions.empty()) {
      found.next_offset = log_->head().positions[0].next_offset;
    }
    auto records = log_->ReadOutbox(log_->head().outbox_begin, 1 << 30);
    REQUIRE(records.ok());
    for (const auto& [sequence, record] : *records)
      found.outbox.emplace_back(sequence, record.body);
    if (found.number != durable_.number) {
      REQUIRE(pending_.has_value());
      durable_ = *pending_;
    }
    pending_.reset();
    REQUIRE(found == durable_);
  }

  void Write(uint64_t random) {
    struct Commit commit;
    Model next = durable_;
    ++next.number;
    for (uint64_t i = 0; i < random % 7; ++i) {
      const uint64_t pick = Mix64(random + i);
      const size_t size = pick % 3 == 0 ? 0 : pick % 5 == 0 ? pick / 64 % 20'000 : pick / 64 % 300;
      writer_.Set(static_cast<int>(pick / 8 % 20),
                  std::string(size, static_cast<char>('a' + pick % 26)));
    }
    next.units = writer_.units;
    commit.shards = writer_.Take(static_cast<uint32_t>(random % 3));
    PartitionPosition position;
    position.source = "s";
    position.next_offset = next.next_offset += static_cast<int64_t>(random % 10);
    position.ledger.read = position.ledger.processed = static_cast<uint64_t>(next.next_offset);
    commit.positions.push_back(position);
    // One sink, which stands somewhere in the outbox.
    const uint64_t begin = log_->head().outbox_begin;
    const uint64_t end = log_->head().outbox_end;
    const uint64_t cursor = begin + (end > begin ? random / 16 % (end - begin + 1) : 0);
    commit.cursors.emplace_back("sink", OutboxPosition{log_->BootOf(cursor), cursor});
    std::erase_if(next.outbox, [&](const auto& record) { return record.first < cursor; });
    for (uint64_t i = 0; i < random / 7 % 4; ++i) {
      const std::string body = "alert " + std::to_string(random + i);
      commit.outbox.push_back({"out", {random, i}, body});
      next.outbox.emplace_back(end + i, body);
    }
    const auto number = log_->Commit(commit);
    if (number.ok()) {
      REQUIRE(*number == next.number);
      durable_ = next;
      Fetch(random);
      return;
    }
    pending_ = next;
    Crash(random);
  }

  // Some units, read out of the middle.
  void Fetch(uint64_t random) {
    Units wanted;
    std::vector<Hash128> parts;
    for (const auto& [key, body] : durable_.units) {
      if (Mix64(random + key.size() + body.size()) % 3 == 0) continue;
      wanted[key] = body;
      parts.push_back(PartOf(key, 0));
    }
    Units found;
    const Status status = log_->ReadUnits(parts, [&](const StoredUnit& unit) {
      found[std::string(unit.key)] = unit.body;
      return absl::OkStatus();
    });
    INFO(status.ToString());
    REQUIRE(status.ok());
    REQUIRE(found == wanted);
  }

  void Crash(uint64_t random) {
    files_->Set(Fault::kDown);
    log_.reset();
    files_->LoseUnsynced(random % 1001);
    files_->Set(Fault::kNone);
    kill_.reset();
    Start();
  }

  TempDir folder_;
  std::shared_ptr<FaultyFileSystem> files_ = std::make_shared<FaultyFileSystem>();
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<CommitLog> log_;
  UnitWriter writer_;
  Model durable_;
  std::optional<Model> pending_;
  std::optional<KillPoint> kill_;
  uint64_t boots_ = 0;
};

TEST_CASE("Commit log: equals a map over random commits, crashes, faults and restarts",
          "[state][property]") {
  const char* factor = std::getenv("VIGIL_PROPERTY_ROUNDS");
  const int rounds = 3 * (factor != nullptr ? std::atoi(factor) : 1);
  for (int round = 0; round < rounds; ++round) {
    const auto steps = rc::gen::container<std::vector<std::pair<int, uint32_t>>>(
        40, rc::gen::pair(rc::gen::inRange(0, 8), rc::gen::arbitrary<uint32_t>()));
    rc::Random random(static_cast<uint64_t>(round) + 1);
    Machine machine;
    for (const auto& [kind, number] : steps(random, 1000).value()) {
      CAPTURE(round, kind, number);
      machine.Step(kind, number);
    }
    machine.Check();
  }
}

}  // namespace
}  // namespace vigil::state::testing
