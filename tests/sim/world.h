// What happens to a simulated job, drawn from one seed: sources whose partitions lag, fall silent
// and return, appear late, are out of order beyond their bound, and brokers that are out of reach.
//
// A world does not depend on the job: every record has the clock's time at which it arrives.
#pragma once

#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cep/event/batch.h"
#include "cep/time/live_time.h"

namespace vigil::sim {

inline constexpr int64_t kEpochMs = 1'000'000;  // the wall clock when the simulation begins

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  // 0 to below - 1.
  int Up(int below) { return std::uniform_int_distribution<int>(0, below - 1)(engine_); }
  bool OneIn(int n) { return Up(n) == 0; }

 private:
  std::mt19937 engine_;
};

struct SimRecord {
  int64_t arrival_ms = 0;  // on the steady clock; never less than that of the record before
  int64_t ts = 0;
  std::string account;  // empty: it has none
  char kind = 'a';      // a, b or c
  int n = 0;            // no other record has it
  bool is_broken = false;

  int64_t append_ms() const { return kEpochMs + arrival_ms; }
  std::string Bytes() const {
    std::string text = "{\"ts\":" + std::to_string(ts);
    if (is_broken) return text;
    if (!account.empty()) text += ",\"account\":\"" + account + "\"";
    return text + ",\"kind\":\"" + kind + "\",\"n\":" + std::to_string(n) + "}";
  }
};

struct SimPartition {
  cep::Partition id;
  int64_t appears_ms = 0;
  std::vector<SimRecord> records;  // an offset is a place
};

struct SimSource {
  std::string name;
  cep::PartitionTimeOptions time;
  int64_t max_future_ms = 0;
  std::vector<std::pair<int64_t, int64_t>> outages;  // [begin, end): nothing is heard
  std::deque<SimPartition> partitions;

  bool IsOut(int64_t now_ms) const {
    for (const auto& [begin, end] : outages) {
      if (now_ms >= begin && now_ms < end) return true;
    }
    return false;
  }
};

struct World {
  std::vector<SimSource> sources;
  int64_t end_ms = 0;  // nothing arrives from here on
};

inline void AddRecords(const SimSource& source, int64_t end_ms, int* number, Random* random,
                       SimPartition* partition) {
  const auto bound = static_cast<int>(source.time.bound_ms);
  int64_t now = partition->appears_ms;
  int64_t lag = 0;
  while (now < end_ms) {
    const int phase = random->Up(7);
    if (phase == 0) now += source.time.idle_after_ms + 50 + random->Up(500);
    if (phase <= 2) lag = random->OneIn(3) ? random->Up(500) : random->Up(40);
    const int step = phase == 3 ? 1 : 10;  // a burst, or one after the other
    for (int i = 10 + random->Up(60); i > 0 && now < end_ms; --i) {
      now += random->Up(step);
      SimRecord record;
      record.arrival_ms = now;
      int64_t ts = kEpochMs + now - lag - random->Up(bound + 1);
      if (random->OneIn(25)) ts -= bound + random->Up(400);
      if (random->OneIn(150)) ts = kEpochMs + now + random->Up(2 * 200);
      record.ts = ts - ts % 4;  // so that many are equal
      // Of one length, so that their order is that of their bytes.
      if (!random->OneIn(40)) record.account = "k" + std::to_string(10 + random->Up(12));
      record.kind = static_cast<char>('a' + random->Up(3));
      record.n = ++*number;
      record.is_broken = random->OneIn(50);
      partition->records.push_back(std::move(record));
    }
  }
}

inline World MakeWorld(Random* random) {
  World world;
  world.end_ms = 40'000;
  int number = 0;
  // Not in the order of their names, by which rows of the same time are ordered.
  for (const char* name : {"zeta", "alpha"}) {
    SimSource& source = world.sources.emplace_back();
    source.name = name;
    source.time = {.bound_ms = 20 + random->Up(80),
                   .idle_after_ms = 150 + random->Up(200),
                   .max_ahead_ms = 150 + random->Up(500)};
    source.max_future_ms = 200;
    for (int i = random->Up(8); i > 0; --i) {
      const int64_t begin = random->Up(static_cast<int>(world.end_ms));
      source.outages.emplace_back(begin, begin + random->Up(800));
    }
    const int count = 1 + random->Up(3);
    for (int p = 0; p < count; ++p) {
      SimPartition& partition = source.partitions.emplace_back();
      const auto index = static_cast<uint32_t>(p);
      partition.id = {name, "t", index, std::string(name) + "/t/" + std::to_string(p)};
      if (p > 0 && random->OneIn(3)) partition.appears_ms = random->Up(20'000);
      AddRecords(source, world.end_ms, &number, random, &partition);
    }
  }
  return world;
}

}  // namespace vigil::sim
