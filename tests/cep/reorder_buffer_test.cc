// ReorderBuffer: rows come out in (ts, source, topic, partition, offset) order, whatever order they
// went in.
#include "cep/time/reorder_buffer.h"

#include <algorithm>
#include <random>
#include <tuple>

#include <catch2/catch.hpp>

namespace vigil::cep {
namespace {

using Row = std::tuple<int64_t, uint32_t, uint64_t>;  // ts, partition, offset

// Rows in a batch whose places are those of `rows`.
struct Fixture {
  explicit Fixture(const std::vector<Row>& rows) : batch(std::make_shared<Layout>()) {
    for (uint32_t i = 0; i < partitions.size(); ++i) partitions[i].number = i;
    for (const auto& [ts, partition, offset] : rows) {
      batch.ts[batch.rows] = ts;
      batch.partitions[batch.rows] = &partitions[partition];
      batch.offsets[batch.rows] = offset;
      ++batch.rows;
    }
  }
  WaitingRow At(uint32_t row) const { return {batch.ts[row], &batch, row}; }
  Row Read(const WaitingRow& row) const {
    return {row.ts, batch.partitions[row.row]->number, batch.offsets[row.row]};
  }

  std::array<Partition, 4> partitions;
  Batch batch;
};

std::vector<Row> RunThrough(const std::vector<Row>& rows, int64_t disorder,
                            const std::vector<std::pair<size_t, int64_t>>& releases) {
  Fixture fixture(rows);
  ReorderBuffer buffer(disorder);
  std::vector<WaitingRow> out;
  size_t added = 0;
  for (const auto& [until, watermark] : releases) {
    for (; added < until; ++added) buffer.Add(fixture.At(static_cast<uint32_t>(added)));
    buffer.Release(watermark, &out);
  }
  std::vector<Row> result;
  for (const WaitingRow& row : out) result.push_back(fixture.Read(row));
  CHECK(buffer.size() == rows.size() - result.size());
  return result;
}

TEST_CASE("ReorderBuffer: releases what the watermark has passed, in order", "[cep][unit]") {
  const std::vector<Row> rows = {{50, 0, 0}, {30, 0, 1}, {40, 1, 0}, {30, 1, 1}, {60, 0, 2}};
  CHECK(RunThrough(rows, 20, {{5, 29}}).empty());
  CHECK(RunThrough(rows, 20, {{5, 30}}) == std::vector<Row>{{30, 0, 1}, {30, 1, 1}});
  CHECK(RunThrough(rows, 20, {{3, 40}, {5, 100}}) ==
        std::vector<Row>{{30, 0, 1}, {40, 1, 0}, {30, 1, 1}, {50, 0, 0}, {60, 0, 2}});
}

TEST_CASE("ReorderBuffer: extreme times and large gaps", "[cep][unit]") {
  const std::vector<Row> rows = {
      {INT64_MAX, 0, 0}, {0, 0, 1}, {INT64_MIN + 1, 0, 2}, {1LL << 40, 0, 3}, {-5, 0, 4}};
  CHECK(RunThrough(rows, 0, {{5, INT64_MAX}}) ==
        std::vector<Row>{
            {INT64_MIN + 1, 0, 2}, {-5, 0, 4}, {0, 0, 1}, {1LL << 40, 0, 3}, {INT64_MAX, 0, 0}});
}

TEST_CASE("ReorderBuffer: equals a sort, for any spread, bound and release pattern",
          "[cep][property]") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    const int64_t spread = std::vector<int64_t>{3, 100, 5000, 1'000'000, 1LL << 45}[random() % 5];
    const int64_t disorder = std::vector<int64_t>{0, 10, 2000, 100'000'000}[random() % 4];
    std::vector<Row> rows;
    const size_t n = 1 + random() % 400;
    for (size_t i = 0; i < n; ++i) {
      rows.emplace_back(static_cast<int64_t>(random() % static_cast<uint64_t>(spread)) - spread / 3,
                        random() % 4, i);
    }
    Fixture fixture(rows);
    ReorderBuffer buffer(disorder);
    std::vector<WaitingRow> out;
    std::vector<Row> expected;
    int64_t watermark = INT64_MIN;
    for (size_t i = 0; i < n; ++i) {
      if (std::get<0>(rows[i]) > watermark) {  // as the source judges: late rows never get here
        buffer.Add(fixture.At(static_cast<uint32_t>(i)));
        expected.push_back(rows[i]);
      }
      if (random() % 10 == 0) {
        watermark = std::max(watermark, std::get<0>(rows[i]));
        buffer.Release(watermark, &out);
      }
    }
    buffer.Release(INT64_MAX, &out);
    std::sort(expected.begin(), expected.end());
    std::vector<Row> result;
    for (const WaitingRow& row : out) result.push_back(fixture.Read(row));
    REQUIRE(result == expected);
  }
}

}  // namespace
}  // namespace vigil::cep
