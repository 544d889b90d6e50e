// Lines of a byte stream, however it is cut into reads and chunks.
#include "ingest/line_reader.h"

#include <array>

#include <catch2/catch.hpp>

#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

std::string Describe(const Line& line) {
  return std::to_string(line.number) + "/" + std::to_string(line.record) +
         (line.too_long ? " long " : " ") + std::string(line.text);
}

// One by one; in groups they must be the same.
std::vector<std::string> Lines(const std::string& text, size_t step, size_t chunk,
                               size_t max_line = LineReader::kMaxLine) {
  const LineReader::Options options = {.chunk_bytes = chunk, .max_line = max_line};
  LineReader reader(std::make_unique<TextSource>(text, step), options);
  std::vector<std::string> lines;
  Line line;
  while (reader.Next(&line)) lines.push_back(Describe(line));
  REQUIRE(reader.status().ok());

  LineReader grouped(std::make_unique<TextSource>(text, step), options);
  std::vector<std::string> in_groups;
  std::array<Line, 3> group;
  while (const size_t count = grouped.NextGroup(group.data(), group.size())) {
    for (size_t i = 0; i < count; ++i) {
      const char* chunk_start = grouped.chunk()->data.get();
      REQUIRE(group[i].text.data() >= chunk_start);
      REQUIRE(group[i].text.data() <= chunk_start + grouped.chunk()->size);
      in_groups.push_back(Describe(group[i]));
    }
  }
  REQUIRE(grouped.status().ok());
  REQUIRE(in_groups == lines);
  return lines;
}

TEST_CASE("LineReader: splits lines and counts them", "[ingest][unit]") {
  struct Case {
    const char* name;
    std::string text;
    std::vector<std::string> lines;
  };
  const Case cases[] = {
      {"nothing", "", {}},
      {"no line end at the end", "a\nb", {"1/0 a", "2/1 b"}},
      {"a line end at the end", "a\nb\n", {"1/0 a", "2/1 b"}},
      {"carriage returns", "a\r\nb\r\n", {"1/0 a", "2/1 b"}},
      {"blank lines are no records", "\n  \t\na\n\r\n\nb", {"3/0 a", "6/1 b"}},
      {"byte order mark",
       "\xEF\xBB\xBF"
       "a\n\xEF\xBB\xBF"
       "b",
       {"1/0 a",
        "2/1 \xEF\xBB\xBF"
        "b"}},
      {"only a byte order mark", "\xEF\xBB\xBF", {}},
      {"NUL is a byte like others",
       std::string("a\0b\nc", 5),
       {std::string("1/0 a\0b", 7), "2/1 c"}},
      {"a carriage return inside", "a\rb\n", {"1/0 a\rb"}},
  };
  for (const Case& c : cases) {
    INFO(c.name);
    CHECK(Lines(c.text, SIZE_MAX, LineReader::kChunkBytes) == c.lines);
  }
}

TEST_CASE("LineReader: reads and chunks of any size give the same lines", "[ingest][property]") {
  const std::string text =
      "\xEF\xBB\xBF"
      "first\r\n\nsecond line is longer\nx\n\n\n" +
      std::string(70, 'y') + "\nlast";
  const std::vector<std::string> expected = Lines(text, SIZE_MAX, LineReader::kChunkBytes);
  for (size_t step = 1; step < 40; ++step) {
    for (size_t chunk = 1; chunk < 80; chunk += 3) {
      INFO("step " << step << ", chunk " << chunk);
      REQUIRE(Lines(text, step, chunk) == expected);
    }
  }
}

TEST_CASE("LineReader: a line over the limit costs no other line", "[ingest][unit]") {
  const std::string lines =
      "before\n" + std::string(1000, 'x') + "\nafter\n" + std::string(500, 'y');
  for (const size_t step : {size_t{1}, size_t{7}, size_t{64}, SIZE_MAX}) {
    const std::vector<std::string> got = Lines(lines, step, 32, 100);
    REQUIRE(got.size() == 4);
    CHECK(got[0] == "1/0 before");
    CHECK(got[1] == "2/1 long " + std::string(101, 'x'));
    CHECK(got[2] == "3/2 after");
    CHECK(got[3] == "4/3 long " + std::string(101, 'y'));
  }
  CHECK(Lines(std::string(100, 'x') + "\r\n", SIZE_MAX, 32, 100) ==
        std::vector<std::string>{"1/0 " + std::string(100, 'x')});
}

TEST_CASE("LineReader: hands out what came before a failure", "[ingest][unit]") {
  LineReader reader(
      std::make_unique<TextSource>("a\nb\ncut", SIZE_MAX, absl::DataLossError("broken")));
  Line line;
  REQUIRE(reader.Next(&line));
  REQUIRE(reader.Next(&line));
  CHECK(line.text == "b");
  CHECK_FALSE(reader.Next(&line));
  CHECK(reader.status().message() == "broken");
}

TEST_CASE("ChunkPool: chunks come back and are used again", "[ingest][unit]") {
  ChunkPool pool(100);
  std::shared_ptr<cep::Chunk> first = pool.Get();
  const char* const memory = first->data.get();
  const std::shared_ptr<cep::Chunk> second = pool.Get();
  CHECK(second->data.get() != memory);
  first.reset();
  CHECK(pool.Get()->data.get() == memory);
  CHECK(pool.Get(1000)->size == 0);  // larger than the pool's: made for this use
}

}  // namespace
}  // namespace vigil::ingest
