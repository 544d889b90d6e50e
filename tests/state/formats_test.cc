// Bytes: what is written is read back, and any other bytes are an error, never more.
#include <catch2/catch.hpp>

#include "cep/base/encoding.h"
#include "state/chunk.h"
#include "state/commit.h"
#include "state/memory_store.h"
#include "tests/state/support.h"

namespace vigil::state::testing {
namespace {

TEST_CASE("Offset runs: read back as they were; anything else fails", "[state][unit]") {
  OffsetRuns runs;
  for (const int64_t offset : {5, 6, 7, 9, 20}) runs.Append(offset);
  REQUIRE(runs.runs().size() == 3);
  REQUIRE(runs.size() == 5);
  for (int64_t i = 0; i < 25; ++i) {
    REQUIRE(runs.Contains(i) == ((i >= 5 && i <= 7) || i == 9 || i == 20));
  }
  std::string bytes;
  runs.Encode(5, &bytes);
  ByteReader reader(bytes);
  REQUIRE(DecodeRuns(5, reader) == runs);
  REQUIRE(reader.AtEnd());
  for (const std::string& bad :
       {std::string("\x02\x00\x00\x00\x00", 5), std::string("\x01\x00", 2),
        std::string("\x01") + std::string(9, '\xff') + std::string("\x01\x00", 2)}) {
    ByteReader damaged(bad);
    DecodeRuns(5, damaged);
    REQUIRE_FALSE(damaged.ok());
  }
}

TEST_CASE("Head: every cut and every flipped bit is an error", "[state][unit]") {
  CommitHead head;
  head.number = 300;
  head.positions.resize(2);
  head.positions[1].source = "orders";
  head.boots = {{1, 77, 0}};
  head.cursors = {{"a/b/c", {77, 0}, 4}};
  const std::string bytes = EncodeHead(head);
  REQUIRE(*DecodeHead(bytes) == head);
  for (size_t i = 0; i < bytes.size(); ++i) {
    REQUIRE_FALSE(DecodeHead(bytes.substr(0, i)).ok());
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (i % 8)));
    REQUIRE_FALSE(DecodeHead(flipped).ok());
    // With a checksum that fits, whatever is read is bounded by the bytes.
    flipped.resize(flipped.size() - 4);
    SealWithCrc(&flipped);
    if (const auto read = DecodeHead(flipped); read.ok()) {
      REQUIRE(read->positions.size() < bytes.size());
    }
  }
}

TEST_CASE("Ledger: rows that are not accounted for are refused", "[state][unit]") {
  PartitionPosition position;
  position.next_offset = 3;
  position.ledger.read = 3;
  position.ledger.processed = 2;
  REQUIRE(absl::IsInvalidArgument(position.Check()));
  position.waiting.Append(1);
  REQUIRE(position.Check().ok());
  position.next_offset = 1;
  REQUIRE(absl::IsInvalidArgument(position.Check()));
}

TEST_CASE("Chunk packer: only the segments that changed are written", "[state][unit]") {
  ChunkPacker packer(1);
  cep::StoredParts stored;
  std::string body(50'000, 'a');
  REQUIRE(packer.Put(UnitKeyOf(1), {1, 1}, body, &stored).ok());
  REQUIRE(stored.size() == 13);
  REQUIRE(packer.TakeChunks().size() == 1);
  body[20'000] = 'b';
  REQUIRE(packer.Put(UnitKeyOf(1), {1, 1}, body, &stored).ok());
  REQUIRE(packer.bytes() < 4200);
  auto chunks = packer.TakeChunks();
  REQUIRE(chunks.size() == 1);
  REQUIRE(packer.Put(UnitKeyOf(1), {1, 1}, body, &stored).ok());
  REQUIRE(packer.TakeChunks().empty());
  const std::vector<std::string_view> many(kMaxUnitSize / body.size() + 1, body);
  REQUIRE(absl::IsResourceExhausted(packer.Put(UnitKeyOf(2), {1, 1}, many, &stored)));
  REQUIRE(packer.bytes() == 0);
  packer.Remove(UnitKeyOf(1), &stored);
  int tombstones = 0;
  for (const std::string& chunk : packer.TakeChunks()) {
    const std::vector<ChunkEntry> entries = *ReadChunk(PackedChunk(chunk).chunk());
    for (const ChunkEntry& entry : entries) tombstones += entry.is_deleted;
  }
  REQUIRE(tombstones == 13);
  chunks[0][100] = static_cast<char>(chunks[0][100] ^ 1);
  REQUIRE(absl::IsDataLoss(ReadChunk(PackedChunk(chunks[0]).chunk()).status()));
}

TEST_CASE("Outbox: cursors, boots and limits", "[state][unit]") {
  const auto disk = NewMemoryDisk();
  CommitLogOptions options;
  options.max_outbox_bytes = 300;
  auto log = *CommitLog::Open(OpenMemoryStore(disk), options);
  REQUIRE(absl::IsFailedPrecondition(log->Commit({}).status()));
  REQUIRE(log->StartBoot(100).ok());
  struct Commit commit;
  commit.outbox.assign(4, {"out", {1, 1}, std::string(20, 'x')});  // 44 bytes each
  commit.cursors.emplace_back("a", OutboxPosition{100, 0});
  commit.shards.resize(2);  // shard 0, twice
  REQUIRE(absl::IsInvalidArgument(log->Commit(commit).status()));
  commit.shards.clear();
  REQUIRE(log->Commit(commit).ok());
  log = *CommitLog::Open(OpenMemoryStore(disk), options);
  REQUIRE(log->StartBoot(200).ok());

  REQUIRE(log->CheckCursor("a", {100, 4}).ok());
  REQUIRE(log->CheckCursor("a", {200, 4}).ok());
  REQUIRE(absl::IsFailedPrecondition(log->CheckCursor("a", {100, 5})));  // ahead
  REQUIRE(absl::IsFailedPrecondition(log->CheckCursor("a", {200, 3})));  // another boot's
  REQUIRE(absl::IsFailedPrecondition(log->CheckCursor("a", {300, 4})));  // unknown

  // Full: refused, and nothing is written; or the oldest go, counted.
  REQUIRE(absl::IsResourceExhausted(log->Commit(commit).status()));
  REQUIRE(log->head().number == 1);
  commit.overflow = OutboxOverflow::kDropOldest;
  REQUIRE(*log->Commit(commit) == 2);
  REQUIRE(log->head().outbox_begin == 2);
  REQUIRE(log->head().cursors[0].dropped == 2);
  REQUIRE(absl::IsOutOfRange(log->CheckCursor("a", {100, 1})));
  commit.outbox.clear();
  REQUIRE(*log->Commit(commit) == 3);  // the sink still says 0: not counted again
  REQUIRE(log->head().cursors[0].dropped == 2);

  // Trimmed up to the smallest cursor. Boots that nothing is in are forgotten, but for the last.
  commit.cursors = {{"a", {200, 6}}, {"b", {200, 7}}};
  REQUIRE(*log->Commit(commit) == 4);
  REQUIRE(log->head().outbox_begin == 6);
  REQUIRE(log->ReadOutbox(0, 1000)->size() == 2);
  REQUIRE(log->head().boots.size() == 2);
  for (uint64_t id = 300; id < 330; ++id) REQUIRE(log->StartBoot(id).ok());
  REQUIRE(log->head().boots.size() == 31);  // sink `a` is named in that of 200
  commit.cursors = {{"a", {329, 8}}, {"b", {329, 8}}};
  REQUIRE(*log->Commit(commit) == 5);
  REQUIRE(log->head().boots.size() == 16);
  REQUIRE(log->head().boots.front().id == 314);
  commit.cursors = {{"a", {200, 9}}};
  REQUIRE(absl::IsInvalidArgument(log->Commit(commit).status()));
  REQUIRE(CommitLog::Open(OpenMemoryStore(disk), options).ok());
}

}  // namespace
}  // namespace vigil::state::testing
