// Files that are followed: growing, rotated by rename and by copying, appearing, compressed.
#include "ingest/source_tail.h"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "tests/ingest/avro_support.h"
#include "tests/ingest/live_support.h"
#include "tests/support/process.h"

namespace vigil::ingest {
namespace {

namespace fs = std::filesystem;
using testing::RunProcess;
using testing::TempDir;
using Rows = std::vector<std::string>;

const Fields kFields = {{"a", cep::Type(cep::TypeKind::kInt)}};
constexpr uint64_t kNext = TailSource::kGeneration;

struct Follow {
  std::vector<std::string> paths = {"log"};
  bool from_end = false;
  bool stop_at_end = false;
  bool has_header = false;
  bool are_containers = false;
  std::optional<std::vector<cep::ResumeFrom>> resume = std::nullopt;
  bool accepts_loss = false;
};

class Files {
 public:
  void Append(const std::string& name, const std::string& text) const {
    std::ofstream(dir.Path(name), std::ios::app | std::ios::binary) << text;
  }
  void Rename(const std::string& from, const std::string& to) const {
    fs::rename(dir.Path(from), dir.Path(to));
  }
  std::unique_ptr<LiveReader> Read(const Follow& follow) {
    SourceCodec codec = follow.are_containers ? CodecFor(kFields, {}) : CodecFor(kFields);
    const auto layout = codec.options.layout;
    TailSourceOptions options;
    options.source.name = "s";
    options.source.codec = std::move(codec);
    if (follow.has_header) options.source.header = QueuedSourceOptions::Header::kCsv;
    options.source.clock = &clock;
    options.folder = dir.Path(".");
    options.paths = follow.paths;
    options.from_end = follow.from_end;
    options.stop_at_end = follow.stop_at_end;
    options.split.has_header = follow.has_header || follow.are_containers;
    if (follow.are_containers) {
      options.source.header = QueuedSourceOptions::Header::kAvro;
      options.split.framing = Framing::kContained;
    }
    auto source = TailSource::Create(std::move(options), &log).value();
    if (follow.resume) source->Resume(*follow.resume, follow.accepts_loss);
    return std::make_unique<LiveReader>(std::move(source), layout);
  }

  TempDir dir;
  SystemClock clock;
  SilentLog log;
};

std::string Event(int ts, int a) {
  return "{\"ts\":" + std::to_string(ts) + ",\"a\":" + std::to_string(a) + "}\n";
}

// What Event(ts, a) reads as.
std::string Row(const std::string& path, uint64_t offset, int ts, int a) {
  return "s/" + path + "/0 " + std::to_string(offset) + "@" + std::to_string(ts) + ": " +
         std::to_string(a);
}

TEST_CASE("TailSource: a file is read on as it grows, and half a line waits", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1));
  const auto reader = files.Read({});
  REQUIRE(reader->UntilRows(1));
  files.Append("log", "{\"ts\":2,");
  reader->For(400);
  CHECK(reader->rows.size() == 1);
  CHECK(reader->Until([&] { return reader->source().partitions()[0].is_at_end; }));
  files.Append("log", "\"a\":2}\nnot json\n" + Event(3, 3));
  REQUIRE(reader->UntilRows(4));
  CHECK(reader->rows[0] == Row("log", 0, 1, 1));
  CHECK(reader->rows[1] == Row("log", 15, 2, 2));
  CHECK(reader->rows[2].find("30 rejected: line 3") != std::string::npos);
  CHECK(reader->rows[3] == Row("log", 39, 3, 3));
  CHECK(reader->source().partitions()[0].next_offset == 54);
}

TEST_CASE("TailSource: `start: end` begins with the next whole line", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1) + "{\"ts\":2,");
  const auto reader = files.Read({.from_end = true});
  REQUIRE(reader->Until([&] { return reader->source().has_started(); }));
  files.Append("log", "\"a\":2}\n" + Event(3, 3));
  REQUIRE(reader->UntilRows(1));
  CHECK(reader->rows == Rows{Row("log", 30, 3, 3)});
}

TEST_CASE("TailSource: rotation by rename loses nothing, late writes to the old file neither",
          "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1));
  // The pattern also matches the name that the file gets.
  const auto reader = files.Read({.paths = {"log*"}});
  REQUIRE(reader->UntilRows(1));
  files.Rename("log", "log.1");
  files.Append("log.1", Event(2, 2));  // whoever writes has not noticed
  files.Append("log", Event(4, 4));
  REQUIRE(reader->UntilRows(2));
  files.Append("log.1", "{\"ts\":3,\"a\":3}");  // its last line has no end
  REQUIRE(reader->UntilRows(4));
  files.Append("log", Event(5, 5));
  REQUIRE(reader->UntilRows(5));
  // Renamed once more, twice removed.
  files.Rename("log.1", "log.2");
  files.Rename("log", "log.1");
  files.Append("log", Event(6, 6));
  REQUIRE(reader->UntilRows(6));
  reader->For(1500);
  CHECK(reader->rows == Rows{Row("log", 0, 1, 1), Row("log", 15, 2, 2), Row("log", 30, 3, 3),
                             Row("log", kNext, 4, 4), Row("log", kNext + 15, 5, 5),
                             Row("log", 2 * kNext, 6, 6)});
  CHECK(reader->source().partitions().size() == 1);
}

TEST_CASE("TailSource: a truncated file is read from its beginning", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1) + Event(2, 2));
  const auto reader = files.Read({});
  REQUIRE(reader->UntilRows(2));
  SECTION("shorter than before") {
    fs::resize_file(files.dir.Path("log"), 0);
    files.Append("log", Event(3, 3));
    REQUIRE(reader->UntilRows(3));
    CHECK(reader->rows[2] == Row("log", kNext, 3, 3));
  }
  SECTION("and longer again before anybody looked") {
    // In place, so it is the same file.
    std::ofstream(files.dir.Path("log"), std::ios::trunc)
        << Event(3, 3) << Event(4, 4) << Event(5, 5);
    REQUIRE(reader->UntilRows(5));
    CHECK(reader->rows[2] == Row("log", kNext, 3, 3));
    CHECK(reader->rows[4] == Row("log", kNext + 30, 5, 5));
  }
  CHECK(files.log.Has("was truncated"));
}

TEST_CASE("TailSource: files that a pattern matches are partitions, later ones too",
          "[ingest][unit]") {
  Files files;
  files.Append("b.log", Event(1, 1));
  files.Append("a.log", Event(2, 2));
  files.Append("c.txt", Event(9, 9));
  const auto reader = files.Read({.paths = {"*.log", "single"}});
  REQUIRE(reader->UntilRows(2));
  CHECK(files.log.Has("single is not there; waiting for it"));
  files.Append("c.log", Event(3, 3));
  files.Append("single", Event(4, 4));
  REQUIRE(reader->UntilRows(4));
  const auto& partitions = reader->source().partitions();
  REQUIRE(partitions.size() == 4);
  CHECK(partitions[0].partition->topic == "a.log");
  CHECK(partitions[1].partition->topic == "b.log");
  CHECK(partitions[0].at_start);
  CHECK_FALSE(partitions[3].at_start);
}

TEST_CASE("TailSource: a bounded run ends where the files ended at its start", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1) + "{\"ts\":2,\"a\":2}");
  files.Append("empty", "");
  const auto reader = files.Read({.paths = {"log", "empty"}, .stop_at_end = true});
  REQUIRE(reader->Until([&] { return reader->source().has_started(); }));
  files.Append("log", "\n" + Event(3, 3));
  REQUIRE(reader->Until([&] { return reader->source().has_ended(); }));
  CHECK(reader->rows == Rows{Row("log", 0, 1, 1), Row("log", 15, 2, 2)});

  const auto missing = files.Read({.paths = {"nothing"}, .stop_at_end = true});
  CHECK(missing->Until([&] { return !missing->status.ok(); }));
  CHECK(missing->status.message() == "source s: there is no file nothing");
}

TEST_CASE("TailSource: compressed files are read to their end, in any run", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1) + Event(2, 2));
  RunProcess({"gzip", files.dir.Path("log")});
  files.Append("other", Event(3, 3));
  RunProcess({"zstd", "-q", "--rm", files.dir.Path("other")});
  const bool stop_at_end = GENERATE(true, false);
  const auto reader = files.Read({.paths = {"log.gz", "other.zst"}, .stop_at_end = stop_at_end});
  REQUIRE(reader->UntilRows(3));
  CHECK(reader->Until([&] {
    return reader->source().partitions()[0].has_ended && reader->source().partitions()[1].has_ended;
  }));
  CHECK(reader->rows.size() == 3);
  CHECK(reader->Until([&] { return reader->source().has_ended(); }, 1) == stop_at_end);
}

TEST_CASE("TailSource: each CSV file has its header, and a new one after a rotation",
          "[ingest][unit]") {
  Files files;
  files.Append("log", "ts,a\n1,1\n");
  const auto reader = files.Read({.has_header = true});
  REQUIRE(reader->UntilRows(1));
  files.Rename("log", "old");
  files.Append("log", "a,x,ts\n2,?,20\n3,?,30\n");
  REQUIRE(reader->UntilRows(3));
  CHECK(reader->rows[1] == Row("log", kNext + 7, 20, 2));
  std::string json, why;
  CHECK(reader->batches[1]->RendererOf(0)->AppendJson(reader->batches[1]->raw[0], &json, &why));
  CHECK(json == R"({"a":2,"x":"?","ts":20})");

  // Rules that read other fields: what waits is decoded again, by the header that it came under.
  SourceCodec codec = CodecFor({{"ts", cep::Type(cep::TypeKind::kInt)}});
  cep::Batch again(codec.options.layout);
  const auto former = reader->source().SetCodec(std::move(codec));
  const uint32_t rows[] = {0};
  reader->source().DecodeAgain(*reader->batches[1], rows, 1, &again);
  Rows texts;
  AppendRows(again, &texts);
  CHECK(texts == Rows{std::to_string(kNext + 7) + "@20: 20"});
}

TEST_CASE("TailSource: what is not taken stays in the file", "[ingest][unit]") {
  Files files;
  std::string line = Event(1, 1);
  line.insert(1, "\"pad\":\"" + std::string(1000, 'x') + "\",");
  std::string text;
  for (int i = 0; i < 1000; ++i) text += line;
  for (int i = 0; i < 100; ++i) files.Append("log", text);  // 102 MB
  rusage start{};
  getrusage(RUSAGE_SELF, &start);
  const auto reader = files.Read({});
  reader->holds = true;
  reader->For(500);
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  reader->For(500);
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  // Nobody spins, and no more than the queue is held.
  const auto cpu = [](const rusage& u) { return u.ru_utime.tv_sec * 1e6 + u.ru_utime.tv_usec; };
  CHECK(cpu(after) - cpu(before) < 250'000);
  reader->holds = false;
  reader->max = 1;
  REQUIRE(reader->UntilRows(1));
  CHECK(after.ru_maxrss - start.ru_maxrss < 32 << 10);  // KiB
}

// What a commit would hold of a reader's only partition, of which the record at `from` still
// waited.
std::vector<cep::ResumeFrom> PlaceOf(LiveReader* reader, std::optional<uint64_t> from = {}) {
  const cep::LivePartition& live = reader->source().partitions()[0];
  return {{live.partition->topic, 0, from.value_or(live.next_offset), live.next_offset, live.last}};
}

TEST_CASE("TailSource: a later run goes on where a former one stood", "[ingest][unit]") {
  Files files;
  files.Append("log", Event(1, 1) + Event(2, 2) + "{\"ts\":3,");
  auto reader = files.Read({});
  REQUIRE(reader->UntilRows(2));
  SECTION("in the same file") {
    Follow follow{.resume = PlaceOf(reader.get())};
    reader.reset();
    files.Append("log", "\"a\":3}\nbad\n");
    reader = files.Read(follow);
    REQUIRE(reader->UntilRows(2));
    CHECK(reader->rows[0] == Row("log", 30, 3, 3));
    CHECK(reader->rows[1].find("45 rejected: byte 1") != std::string::npos);  // no line number
    CHECK(reader->source().partitions()[0].at_start);
  }
  SECTION("with rows that waited, in files that were rotated, one of them compressed") {
    files.Append("log", "\"a\":3}\n");
    REQUIRE(reader->UntilRows(3));
    Follow follow{.paths = {"log*"}, .resume = PlaceOf(reader.get(), 15)};
    reader.reset();
    files.Append("log", Event(4, 4));
    files.Rename("log", "log.2");
    RunProcess({"gzip", files.dir.Path("log.2")});
    files.Append("log", Event(5, 5));
    fs::last_write_time(files.dir.Path("log.2.gz"),
                        fs::last_write_time(files.dir.Path("log")) - std::chrono::seconds(20));
    files.Rename("log", "log.1");
    fs::last_write_time(files.dir.Path("log.1"),
                        fs::last_write_time(files.dir.Path("log.1")) - std::chrono::seconds(10));
    files.Append("log", Event(6, 6));
    follow.paths = {"log"};
    reader = files.Read(follow);
    REQUIRE(reader->UntilRows(5));
    CHECK(reader->rows == Rows{Row("log", 15, 2, 2), Row("log", 30, 3, 3), Row("log", 45, 4, 4),
                               Row("log", kNext, 5, 5), Row("log", 2 * kNext, 6, 6)});
  }
  SECTION("with rows that waited in the file before") {
    files.Rename("log", "log.1");
    files.Append("log", Event(7, 7));
    REQUIRE(reader->UntilRows(4));  // the half line, too
    CHECK(reader->rows[3] == Row("log", kNext, 7, 7));
    Follow follow{.resume = PlaceOf(reader.get(), 15)};
    reader.reset();
    fs::last_write_time(files.dir.Path("log.1"),
                        fs::last_write_time(files.dir.Path("log")) - std::chrono::seconds(10));
    reader = files.Read(follow);
    REQUIRE(reader->UntilRows(3));
    CHECK(reader->rows[0] == Row("log", 15, 2, 2));
    CHECK(reader->rows[2] == Row("log", kNext, 7, 7));
  }
  SECTION("or refuses to, if the file is another one") {
    Follow follow{.resume = PlaceOf(reader.get())};
    reader.reset();
    std::ofstream(files.dir.Path("log"), std::ios::trunc) << Event(8, 8) << Event(9, 9);
    reader = files.Read(follow);
    CHECK(reader->Until([&] { return !reader->status.ok(); }));
    CHECK(reader->status.code() == absl::StatusCode::kFailedPrecondition);
    CHECK(std::string(reader->status.message()).find("--accept-loss") != std::string::npos);
    follow.accepts_loss = true;
    reader = files.Read(follow);
    REQUIRE(reader->UntilRows(2));
    CHECK(reader->rows[0] == Row("log", kNext, 8, 8));
    CHECK(reader->source().partitions()[0].is_replaced);
  }
  SECTION("and reads files that are new from their beginning") {
    Follow follow{.paths = {"log", "new"}, .from_end = true, .resume = PlaceOf(reader.get())};
    reader.reset();
    files.Append("new", Event(8, 8));
    reader = files.Read(follow);
    REQUIRE(reader->UntilRows(1));
    CHECK(reader->rows[0] == Row("new", 0, 8, 8));
  }
}

// A container file with these blocks, of records as Avro has them.
std::string Container(const std::string& fields, const std::string& codec,
                      const std::vector<std::vector<std::string>>& blocks) {
  const std::string sync(16, 's');
  std::string file =
      AvroHeader(R"({"type": "record", "name": "E", "fields": [)" + fields + "]}", codec, sync);
  for (const std::vector<std::string>& records : blocks) {
    std::string content;
    for (const std::string& record : records) content += record;
    file += AvroLong(static_cast<int64_t>(records.size())) +
            AvroText(codec == "zstandard" ? Zstd(content) : content) + sync;
  }
  return file;
}

std::string Long(const std::string& name) {
  return R"({"name": ")" + name + R"(", "type": "long"})";
}

std::vector<std::string> Records(int first, int count) {
  std::vector<std::string> records;
  for (int i = first; i < first + count; ++i) records.push_back(AvroLong(i) + AvroLong(i));
  return records;
}

TEST_CASE("TailSource: Avro container files are read once, each by its own schema",
          "[ingest][unit]") {
  Files files;
  const std::string plain = Long("ts") + ", " + Long("a");
  files.Append("1.avro", Container(plain, "null", {Records(1, 2), Records(3, 1)}));
  files.Append("2.avro",
               Container(Long("a") + R"(, {"name": "x", "type": "string"}, )" + Long("ts"), "null",
                         {{AvroLong(7) + AvroText("text") + AvroLong(8)}}));
  // Its second block says that it has three records.
  std::string damaged = Container(plain, "null", {Records(5, 1), Records(6, 2)});
  damaged[damaged.size() - 16 - 4 - 2] = static_cast<char>(6);
  files.Append("3.avro", damaged);
  files.Append("4.avro", "no container");
  const auto reader =
      files.Read({.paths = {"*.avro"}, .stop_at_end = false, .are_containers = true});
  REQUIRE(reader->UntilRows(8));
  reader->For(200);
  Rows rows = reader->rows;
  std::sort(rows.begin(), rows.end());
  REQUIRE(rows.size() == 8);
  CHECK(rows[0] == Row("1.avro", 0, 1, 1));
  CHECK(rows[1] == Row("1.avro", 4, 2, 2));
  CHECK(rows[2] == Row("1.avro", 8, 3, 3));
  CHECK(rows[3] == Row("2.avro", 0, 8, 7));
  CHECK(rows[4] == Row("3.avro", 0, 5, 5));
  CHECK(rows[5].find("3.avro/0 12 rejected: ") != std::string::npos);
  CHECK(rows[6] == Row("3.avro", 4, 6, 6));
  CHECK(rows[7] == Row("3.avro", 8, 7, 7));
  CHECK(reader->source().partitions()[0].has_ended);
  // Rows show themselves as the file's schema has them.
  std::string json, why;
  for (const auto& batch : reader->batches) {
    if (batch->partitions[0]->topic != "2.avro") continue;
    CHECK(batch->RendererOf(0)->AppendJson(batch->raw[0], &json, &why));
  }
  CHECK(json == R"({"a":7,"x":"text","ts":8})");
  // One that is put there later is read, too.
  files.Append("5.part", Container(plain, "zstandard", {Records(100, 1000)}));
  files.Rename("5.part", "5.avro");
  REQUIRE(reader->UntilRows(1008));
}

TEST_CASE("TailSource: a later run goes on within a container file", "[ingest][unit]") {
  Files files;
  const std::string codec = GENERATE("null", "zstandard");
  std::vector<std::vector<std::string>> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back(Records(100 * i + 100, 100));
  files.Append("1.avro", Container(Long("ts") + ", " + Long("a"), codec, blocks));
  Follow follow{.paths = {"1.avro"}, .stop_at_end = true, .are_containers = true};
  auto reader = files.Read(follow);
  reader->max = 50;
  REQUIRE(reader->UntilRows(450));
  const Rows before = reader->rows;
  SECTION("from the oldest record that waits") {
    const uint64_t from = std::stoull(before[40].substr(before[40].find(' ') + 1));
    follow.resume = PlaceOf(reader.get(), from);
    reader = files.Read(follow);
    REQUIRE(reader->Until([&] { return reader->source().has_ended(); }));
    REQUIRE(reader->rows.size() == 960);
    CHECK(reader->rows[0] == before[40]);
    CHECK(reader->rows[409] == before[449]);
  }
  SECTION("or refuses to, if it is another one") {
    follow.resume = PlaceOf(reader.get());
    std::ofstream(files.dir.Path("1.avro"), std::ios::trunc | std::ios::binary)
        << Container(Long("ts") + ", " + Long("a"), codec, {Records(5000, 1000)});
    reader = files.Read(follow);
    CHECK(reader->Until([&] { return !reader->status.ok(); }));
    CHECK(reader->status.code() == absl::StatusCode::kFailedPrecondition);
  }
  SECTION("and `start: end` reads nothing that is there") {
    follow.from_end = true;
    reader = files.Read(follow);
    REQUIRE(reader->Until([&] { return reader->source().has_ended(); }));
    CHECK(reader->rows.empty());
    CHECK(reader->source().partitions()[0].next_offset > 1000);
  }
}

}  // namespace
}  // namespace vigil::ingest
