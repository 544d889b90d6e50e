// Whole inputs: batches, chunks, failures.
#include "ingest/source_file.h"

#include <catch2/catch.hpp>

#include "tests/ingest/support.h"

namespace vigil::ingest {
namespace {

TEST_CASE("FileSource: reads of any size give the same rows", "[ingest][property]") {
  std::string text;
  for (int i = 0; i < 60; ++i) {
    text += "{\"ts\":" + std::to_string(i) + ",\"s\":\"" +
            std::string(static_cast<size_t>(i), 'x') + "\"}" + (i % 7 == 0 ? "\r\n\n" : "\n") +
            (i % 11 == 0 ? "bad\n" : "");
  }
  SourceCase options = {.fields = {{"s", cep::TypeKind::kString}}};
  const std::vector<std::string> expected = ReadRows(options, text);
  REQUIRE(expected.size() == 66);
  for (size_t step = 1; step < 300; ++step) {
    options.step = step;
    REQUIRE(ReadRows(options, text) == expected);
  }
}

TEST_CASE("FileSource: a batch takes at most kBatchRows records, good and bad", "[ingest][unit]") {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += i % 2 == 0 ? "{\"ts\":1}\n" : "bad\n";
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  auto source = OpenText({}, text, &partition, layout);
  REQUIRE(source.ok());
  cep::Batch batch(layout);
  std::vector<size_t> sizes;
  for (bool end = false; !end;) {
    REQUIRE((*source)->Read(&batch, &end).ok());
    sizes.push_back(batch.rows + batch.rejected.size());
  }
  CHECK(sizes == std::vector<size_t>{1024, 1024, 952});
}

TEST_CASE("FileSource: rows stay readable for as long as their batch's chunks", "[ingest][unit]") {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += "{\"ts\":1,\"s\":\"" + std::string(200, static_cast<char>('a' + i % 26)) + "\"}\n";
  }
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  std::vector<cep::Batch> batches;
  {
    auto source = OpenText({.fields = {{"s", cep::TypeKind::kString}}}, text, &partition, layout);
    REQUIRE(source.ok());
    for (bool end = false; !end;) {
      batches.emplace_back(layout);
      REQUIRE((*source)->Read(&batches.back(), &end).ok());
    }
  }
  int i = 0;
  for (const cep::Batch& batch : batches) {
    for (uint32_t row = 0; row < batch.rows; ++row, ++i) {
      const std::string_view s = batch.columns[0].strings()[row];
      if (s != std::string(200, static_cast<char>('a' + i % 26))) FAIL("row " << i);
      if (batch.raw[row].size() != 215) FAIL("raw of row " << i << ": " << batch.raw[row]);
    }
  }
  CHECK(i == 5000);
}

TEST_CASE("FileSource: hands out what came before a failure", "[ingest][unit]") {
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  auto source =
      FileSource::Open({.path = "x.jsonl", .partition = &partition, .layout = layout},
                       std::make_unique<TextSource>("{\"ts\":1}\n{\"ts\":2}\n{\"t", SIZE_MAX,
                                                    absl::DataLossError("cut")));
  REQUIRE(source.ok());
  cep::Batch batch(layout);
  bool end = false;
  REQUIRE((*source)->Read(&batch, &end).ok());
  CHECK(batch.rows == 2);
  CHECK_FALSE(end);
  CHECK((*source)->Read(&batch, &end).message() == "cut");
  CHECK(batch.rows == 0);
}

TEST_CASE("FileSource: rejected bytes are capped, a line over the limit is one record",
          "[ingest][unit]") {
  cep::Partition partition;
  auto layout = std::make_shared<cep::Layout>();
  const std::string text = "{\"ts\":1}\n" + std::string(LineReader::kMaxLine + 10, 'x') +
                           "\n{\"ts\":3}\n" + std::string(100'000, 'y') + "\n";
  auto source = OpenText({}, text, &partition, layout);
  REQUIRE(source.ok());
  cep::Batch batch(layout);
  bool end = false;
  REQUIRE((*source)->Read(&batch, &end).ok());
  CHECK(end);
  CHECK(batch.rows == 2);
  CHECK(batch.offsets[1] == 2);
  REQUIRE(batch.rejected.size() == 2);
  CHECK(batch.rejected[0].reason == "line 2: the line is longer than 16 MiB");
  CHECK(batch.rejected[0].bytes.size() == kRejectedBytes);
  CHECK(batch.rejected[0].partition == &partition);
  CHECK(batch.rejected[1].bytes == std::string(kRejectedBytes, 'y'));
}

TEST_CASE("FileSource: formats without a codec are refused", "[ingest][unit]") {
  CHECK(ReadRows({.path = "x.txt"}, "")[0].find("cannot tell the format of x.txt") == 0);
  CHECK(FileSource::Open({.path = "/nowhere/x.jsonl"}).status().code() ==
        absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace vigil::ingest
