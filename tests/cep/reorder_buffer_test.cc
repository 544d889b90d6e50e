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
  static std::vector<Row> Read(const std::vector<RowSpan>& spans) {
    std::vector<Row> rows;
    for (const RowSpan& span : spans) {
      CHECK(span.begin < span.end);
      for (uint32_t row = span.begin; row < span.end; ++row) {
        const Batch& batch = *span.batch;
        rows.emplace_back(batch.ts[row], batch.partitions[row]->number, batch.offsets[row]);
      }
    }
    return rows;
  }

  std::array<Partition, 4> partitions;
  Batch batch;
};

std::vector<Row> RunThrough(const std::vector<Row>& rows, int64_t disorder,
                            const std::vector<std::pair<size_t, int64_t>>& releases) {
  Fixture fixture(rows);
  ReorderBuffer buffer(disorder);
  std::vector<RowSpan> out;
  size_t added = 0;
  for (const auto& [until, watermark] : releases) {
    RowBits rows_to_add;
    for (; added < until; ++added) rows_to_add.Set(static_cast<uint32_t>(added));
    buffer.Add(fixture.batch, rows_to_add);
    buffer.Release(watermark, &out);
  }
  const std::vector<Row> result = Fixture::Read(out);
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
    // In turn into two batches, so that spans of both lie between each other.
    const Fixture fixtures[] = {Fixture(rows), Fixture(rows)};
    ReorderBuffer buffer(disorder);
    std::vector<RowSpan> out;
    std::vector<Row> expected;
    int64_t watermark = INT64_MIN;
    RowBits waiting;
    size_t turn = 0;
    for (size_t i = 0; i < n; ++i) {
      if (std::get<0>(rows[i]) > watermark) {  // as the source judges: late rows never get here
        waiting.Set(static_cast<uint32_t>(i));
        expected.push_back(rows[i]);
      }
      if (random() % 10 != 0) continue;
      buffer.Add(fixtures[turn++ % 2].batch, waiting);
      waiting.Clear();
      if (random() % 2 == 0) continue;
      watermark = std::max(watermark, std::get<0>(rows[i]));
      buffer.Release(watermark, &out);
    }
    buffer.Add(fixtures[turn % 2].batch, waiting);
    CHECK(buffer.size() + Fixture::Read(out).size() == expected.size());
    buffer.Release(INT64_MAX, &out);
    CHECK(buffer.size() == 0);
    std::sort(expected.begin(), expected.end());
    const std::vector<Row> result = Fixture::Read(out);
    REQUIRE(result == expected);
  }
}

}  // namespace
}  // namespace vigil::cep
