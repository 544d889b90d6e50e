// Records out of bytes that come in any pieces.
#include "ingest/record_splitter.h"

#include <cstring>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace vigil::ingest {
namespace {

// `OFFSET:LINE TEXT`, with `!WHY` behind it where it is broken.
void AppendBlock(const RecordBlock& block, std::vector<std::string>* out) {
  for (const SplitRecord& record : block.records) {
    std::string text(block.chunk->data.get() + record.begin, record.size);
    if (text.size() > 40) text = std::to_string(text.size()) + " bytes";
    out->push_back(std::to_string(record.offset) + ":" + std::to_string(record.line) + " " + text +
                   (record.broken == nullptr ? "" : std::string(" !") + record.broken));
  }
}

// All of `text`, `step` bytes at a time.
std::vector<std::string> Split(const SplitOptions& options, const std::string& text, size_t step) {
  ChunkPool pool(64 << 10);
  RecordSplitter splitter(options, &pool);
  splitter.Reset(0);
  std::vector<std::string> out;
  RecordBlock block;
  uint64_t next = 0;
  for (size_t at = 0; at < text.size(); at += step) {
    const size_t n = std::min(step, text.size() - at);
    std::memcpy(splitter.Room(n), text.data() + at, n);
    splitter.Added(n);
    if (!splitter.Take(&block)) continue;
    AppendBlock(block, &out);
    CHECK(block.next_offset > next);
    next = block.next_offset;
  }
  if (splitter.Finish(&block)) AppendBlock(block, &out);
  return out;
}

using Lines = std::vector<std::string>;

TEST_CASE("RecordSplitter: lines are the same however the bytes come", "[ingest][unit]") {
  const std::string text =
      "\xEF\xBB\xBF"
      "ab\r\n\n \t\nc\nlast";
  const size_t step = GENERATE(1u, 2u, 3u, 7u, 1000u);
  CHECK(Split({}, text, step) == Lines{"0:1 ab", "11:4 c", "13:5 last"});
}

TEST_CASE("RecordSplitter: a line over the limit is one broken record, and costs no other",
          "[ingest][unit]") {
  const size_t step = GENERATE(1u, 5u, 9u, 100'000u, 1'000'000u);
  SplitOptions options;
  options.max_record = 8;
  CHECK(Split(options, "12345678\n123456789\nok\n" + std::string(200'000, 'x') + "\nend\n",
              step == 1 ? 3 : step) ==
        Lines{"0:1 12345678", "9:2 123456789 !the line is longer than allowed", "19:3 ok",
              "22:4 65536 bytes !the line is longer than allowed", "200023:5 end"});
}

TEST_CASE("RecordSplitter: the first line of CSV is the header of all that follow",
          "[ingest][unit]") {
  ChunkPool pool(64 << 10);
  SplitOptions options;
  options.has_header = true;
  RecordSplitter splitter(options, &pool);
  const auto add = [&](const std::string& text) {
    std::memcpy(splitter.Room(text.size()), text.data(), text.size());
    splitter.Added(text.size());
  };
  splitter.Reset(0);
  RecordBlock block;
  add("\na,b\n");
  CHECK_FALSE(splitter.Take(&block));
  add("1,2\n3,");
  REQUIRE(splitter.Take(&block));
  CHECK(block.header->text == "a,b");
  REQUIRE(block.records.size() == 1);
  CHECK(block.records[0].line == 3);
  CHECK(block.next_offset == 9);
  add("4");
  REQUIRE(splitter.Finish(&block));
  CHECK(block.header->text == "a,b");
  splitter.Reset(0);
  add("x\n1\n");
  REQUIRE(splitter.Take(&block));
  CHECK(block.header->text == "x");
}

TEST_CASE("RecordSplitter: a stream that is joined within a line begins with the next one",
          "[ingest][unit]") {
  ChunkPool pool(64 << 10);
  RecordSplitter splitter({}, &pool);
  splitter.Reset(100);
  splitter.SkipRest();
  std::memcpy(splitter.Room(9), "rest\nab\nc", 9);
  splitter.Added(9);
  RecordBlock block;
  REQUIRE(splitter.Take(&block));
  Lines lines;
  AppendBlock(block, &lines);
  CHECK(lines == Lines{"105:2 ab"});
  CHECK(block.next_offset == 108);
}

std::string Delimited(const std::string& bytes) {
  std::string out;
  for (size_t left = bytes.size(); true; left >>= 7) {
    out.push_back(static_cast<char>((left & 0x7f) | (left > 0x7f ? 0x80 : 0)));
    if (left <= 0x7f) break;
  }
  return out + bytes;
}

TEST_CASE("RecordSplitter: length-delimited records", "[ingest][unit]") {
  const size_t step = GENERATE(1u, 2u, 64u, 100'000u, 1'000'000u);
  SplitOptions options;
  options.framing = Framing::kDelimited;
  options.max_record = 500;
  const std::string large(300, 'a');
  const std::string too_large(200'000, 'b');
  const Lines got = Split(options,
                          Delimited("x") + Delimited("") + Delimited(large) + Delimited(too_large) +
                              Delimited("y") + "\x05zz",
                          step);
  REQUIRE(got.size() == 6);
  CHECK(got[0] == "0:0 x");
  CHECK(got[1] == "2:0 ");
  CHECK(got[2] == "3:0 300 bytes");
  CHECK(got[3].find("305:0 ") == 0);
  CHECK(got[3].find("!the record is longer than allowed") != std::string::npos);
  CHECK(got[4] == "200308:0 y");
  CHECK(got[5].find("!the input ends within it") != std::string::npos);
}

TEST_CASE("RecordSplitter: after a length that is none nothing can be split", "[ingest][unit]") {
  SplitOptions options;
  options.framing = Framing::kDelimited;
  const Lines got = Split(options, Delimited("x") + std::string(11, '\xFF') + Delimited("y"), 4);
  REQUIRE(got.size() == 2);
  CHECK(got[0] == "0:0 x");
  CHECK(got[1].find("!its length is no varint") != std::string::npos);
}

}  // namespace
}  // namespace vigil::ingest
