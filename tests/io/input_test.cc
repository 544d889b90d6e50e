// Files, plain and compressed, whole and damaged.
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <zlib.h>
#include <zstd.h>

#include "io/open_input.h"
#include "io/rewindable_source.h"

namespace vigil::io {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = "/tmp/vigil_io_XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  std::string Write(const std::string& name, const std::string& bytes) {
    files_.push_back(path_ + "/" + name);
    std::ofstream(files_.back(), std::ios::binary) << bytes;
    return files_.back();
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(deflateBound(&stream, text.size()) + 100, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

// The content, with `step` bytes asked for at a time; or the error's message behind what was read.
std::string ReadAll(const std::string& path, size_t step = 1 << 16) {
  StatusOr<std::unique_ptr<ByteSource>> source = OpenInput(path);
  if (!source.ok()) return "error: " + std::string(source.status().message());
  std::string out;
  std::string buffer(step, '\0');
  while (true) {
    const StatusOr<size_t> n = (*source)->Read(buffer.data(), step);
    if (!n.ok()) {
      CHECK((*source)->Read(buffer.data(), step).status() == n.status());
      return out + "error: " + std::string(n.status().message());
    }
    if (*n == 0) return out;
    out.append(buffer, 0, *n);
  }
}

std::string LongText() {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

TEST_CASE("ParseInputName: format and compression by suffix", "[io][unit]") {
  struct Case {
    const char* path;
    InputFormat format;
    Compression compression;
  };
  const Case cases[] = {
      {"a.jsonl", InputFormat::kJsonLines, Compression::kNone},
      {"a.b/c.ndjson.gz", InputFormat::kJsonLines, Compression::kGzip},
      {"-", InputFormat::kJsonLines, Compression::kNone},
      {"a.csv.zst", InputFormat::kCsv, Compression::kZstd},
      {"a.pb", InputFormat::kProtobuf, Compression::kNone},
      {"a.avro.gz", InputFormat::kAvro, Compression::kGzip},
  };
  for (const Case& c : cases) {
    INFO(c.path);
    const StatusOr<InputName> name = ParseInputName(c.path);
    REQUIRE(name.ok());
    CHECK(name->format == c.format);
    CHECK(name->compression == c.compression);
  }
  for (const char* path : {"a", "a.txt", "a.gz", "jsonl", "a.jsonl.bz2", ""}) {
    INFO(path);
    CHECK(ParseInputName(path).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("OpenInput: plain and compressed files give the same bytes", "[io][unit]") {
  Folder folder;
  const std::string text = LongText();
  CHECK(ReadAll(folder.Write("a.jsonl", text)) == text);
  CHECK(ReadAll(folder.Write("a.jsonl.gz", Gzip(text))) == text);
  CHECK(ReadAll(folder.Write("a.jsonl.zst", Zstd(text))) == text);
  CHECK(ReadAll(folder.Write("b.jsonl.zst", Zstd("abc")), 1) == "abc");
  CHECK(ReadAll(folder.Write("b.jsonl.gz", Gzip("abc")), 1) == "abc");
}

TEST_CASE("OpenInput: concatenated members and frames, empty ones too", "[io][unit]") {
  Folder folder;
  const std::string text = LongText();
  CHECK(ReadAll(folder.Write("a.csv.gz", Gzip("a\n") + Gzip("") + Gzip(text) + Gzip("b"))) ==
        "a\n" + text + "b");
  CHECK(ReadAll(folder.Write("a.csv.zst", Zstd("a\n") + Zstd("") + Zstd(text) + Zstd("b"))) ==
        "a\n" + text + "b");
  CHECK(ReadAll(folder.Write("padded.csv.gz", Gzip("a") + std::string(1000, '\0'))) == "a");
  const std::string skippable("\x50\x2A\x4D\x18\x03\x00\x00\x00xyz", 11);
  CHECK(ReadAll(folder.Write("skip.csv.zst", skippable + Zstd("a") + skippable)) == "a");
  CHECK(ReadAll(folder.Write("empty.csv.gz", "")).empty());
  CHECK(ReadAll(folder.Write("empty.csv.zst", "")).empty());
}

TEST_CASE("OpenInput: damage is an error that names file and offset", "[io][unit]") {
  Folder folder;
  const std::string text = LongText();
  struct Format {
    const char* suffix;
    std::string bytes;
  };
  for (const Format& format : {Format{".gz", Gzip(text)}, Format{".zst", Zstd(text)}}) {
    INFO(format.suffix);
    const size_t half = format.bytes.size() / 2;
    const std::string cut =
        folder.Write(std::string("cut.jsonl") + format.suffix, format.bytes.substr(0, half));
    const std::string got = ReadAll(cut);
    CHECK(got.find("error: " + cut) != std::string::npos);
    CHECK(got.find("is cut short at byte " + std::to_string(half) + " of the compressed data") !=
          std::string::npos);
    CHECK(text.find(got.substr(0, got.find("error: "))) == 0);

    std::string flipped = format.bytes;
    for (size_t i = half; i < half + 20; ++i) flipped[i] = static_cast<char>(~flipped[i]);
    const std::string bad = folder.Write(std::string("bad.jsonl") + format.suffix, flipped);
    CHECK(ReadAll(bad).find("error: " + bad + ": the ") != std::string::npos);

    const std::string garbage =
        folder.Write(std::string("tail.jsonl") + format.suffix, format.bytes + "garbage");
    CHECK(ReadAll(garbage).find("error: " + garbage) == text.size());
    const std::string none =
        folder.Write(std::string("none.jsonl") + format.suffix, "not compressed");
    CHECK(ReadAll(none).find("error: " + none) == 0);
  }
}

TEST_CASE("ZstdSource: a frame with a huge window is refused", "[io][unit]") {
  Folder folder;
  // Magic number, a frame header that asks for a window of 2^31 bytes, an empty last block.
  const std::string frame("\x28\xB5\x2F\xFD\x00\xA8\x01\x00\x00", 9);
  const std::string path = folder.Write("huge.jsonl.zst", frame);
  CHECK(ReadAll(path).find("error: " + path) == 0);
}

TEST_CASE("OpenInput: what cannot be opened", "[io][unit]") {
  Folder folder;
  const Status missing = OpenInput(folder.path() + "/no.jsonl").status();
  CHECK(missing.code() == absl::StatusCode::kNotFound);
  CHECK(std::string(missing.message()).find("cannot open " + folder.path() + "/no.jsonl") == 0);
  const std::string sub = folder.path() + "/dir.jsonl";
  REQUIRE(::mkdir(sub.c_str(), 0700) == 0);
  CHECK(ReadAll(sub).find("error: cannot read " + sub) == 0);
  ::rmdir(sub.c_str());
}

TEST_CASE("RewindableSource: serves its beginning twice", "[io][unit]") {
  Folder folder;
  const std::string text = LongText();
  const std::string path = folder.Write("a.jsonl", text);
  for (const size_t first : {size_t{0}, size_t{1}, size_t{1000}, text.size()}) {
    RewindableSource source(*OpenInput(path));
    std::string buffer(1000, '\0');
    for (size_t got = 0; got < first;)
      got += *source.Read(buffer.data(), std::min<size_t>(1000, first - got));
    source.Rewind();
    std::string all;
    while (const size_t n = *source.Read(buffer.data(), 777)) all.append(buffer, 0, n);
    CHECK(all == text);
  }
}

}  // namespace
}  // namespace vigil::io
