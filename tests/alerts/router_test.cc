// Router: one line per output, sample caps, counts; FileSink: files and what goes wrong with them.

#include "alerts/router.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <catch2/catch.hpp>

#include "alerts/sink_file.h"
#include "tests/alerts/fakes.h"

namespace vigil::alerts {
namespace {

using cep::Record;
using cep::RecordKind;

class FakeSink : public LineSink {
 public:
  Status Write(std::string_view lines) override {
    text.append(lines);
    return status;
  }
  Status Flush() override { return absl::OkStatus(); }

  std::string text;
  Status status;
};

Record Alert(uint32_t rule, bool is_timeout = false) {
  Record record;
  record.rule = rule;
  record.has_rule = true;
  record.is_timeout = is_timeout;
  record.head = "<";
  record.tail = ">";
  return record;
}

Record Problem(RecordKind kind, std::string sample_group = "") {
  Record record;
  record.kind = kind;
  record.head = "(";
  record.tail = ")";
  record.sample_group = std::move(sample_group);
  return record;
}

std::shared_ptr<AlertContext> TwoRules() {
  RuleInfo a = TakeoverRule();
  a.on_match.outputs = {"alerts", "a\"udit"};
  RuleInfo shadow = TakeoverRule();
  shadow.on_match.outputs = {};
  return ContextOf({a, shadow});
}

}  // namespace

TEST_CASE("Router: one line per output in the rule's order", "[alerts][unit]") {
  FakeSink sink;
  Router router(TwoRules(), &sink);
  REQUIRE(router
              .Write({Alert(0), Problem(RecordKind::kLate), Alert(0, true), Alert(1),
                      Problem(RecordKind::kError)})
              .ok());
  CHECK(sink.text == "<alerts>\n<a\\\"udit>\n(late)\n<abandoned>\n(errors)\n");
  CHECK(router.alerts_by_rule() == std::vector<uint64_t>{2, 1});
  CHECK(router.records_by_output() ==
        std::map<std::string, uint64_t>{
            {"a\"udit", 1}, {"abandoned", 1}, {"alerts", 1}, {"errors", 1}, {"late", 1}});
}

TEST_CASE("Router: text shows an alert once", "[alerts][unit]") {
  FakeSink sink;
  auto context = TwoRules();
  context->format = Format::kText;
  Router router(context, &sink);
  Record alert = Alert(0);
  alert.tail = "";
  REQUIRE(router.Write({alert, Alert(1)}).ok());
  CHECK(sink.text == "<\n");
  CHECK(router.records_by_output().at("a\"udit") == 1);
}

TEST_CASE("Router: keeps the first samples of each failure over all calls", "[alerts][unit]") {
  FakeSink sink;
  Router router(TwoRules(), &sink);
  for (uint32_t i = 0; i < kErrorSamples + 5; ++i) {
    REQUIRE(router.Write({Problem(RecordKind::kError, "a"), Problem(RecordKind::kError)}).ok());
  }
  REQUIRE(router.Write({Problem(RecordKind::kError, "b")}).ok());
  CHECK(router.records_by_output().at("errors") == kErrorSamples + (kErrorSamples + 5) + 1);
  CHECK(router.samples_dropped() == 5);
}

TEST_CASE("Router: a sink's error is passed on", "[alerts][unit]") {
  FakeSink sink;
  sink.status = absl::ResourceExhaustedError("full");
  Router router(TwoRules(), &sink);
  CHECK(router.Write({}).ok());
  CHECK(router.Write({Alert(0)}).code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("FileSink: writes a file", "[alerts][unit]") {
  std::string path = (std::filesystem::temp_directory_path() / "vigil_sink_file_XXXXXX").string();
  const int descriptor = mkstemp(path.data());
  REQUIRE(descriptor >= 0);
  close(descriptor);
  const std::string line(1000, 'x');
  {
    StatusOr<std::unique_ptr<FileSink>> sink = FileSink::Open(path);
    REQUIRE(sink.ok());
    for (int i = 0; i < 1000; ++i) REQUIRE((*sink)->Write(line + "\n").ok());
    REQUIRE((*sink)->Flush().ok());
    std::ifstream file(path, std::ios::ate);
    CHECK(file.tellg() == 1001000);
    REQUIRE((*sink)->Write("last\n").ok());
  }
  std::ifstream file(path, std::ios::ate);
  CHECK(file.tellg() == 1001005);
  std::remove(path.c_str());
}

TEST_CASE("FileSink: errors name the file", "[alerts][unit]") {
  const auto missing = FileSink::Open("no/such/folder/alerts.jsonl");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.status().code() == absl::StatusCode::kNotFound);
  CHECK(std::string(missing.status().message()).find("no/such/folder/alerts.jsonl") !=
        std::string::npos);

  if (access("/dev/full", W_OK) != 0) return;
  auto full = FileSink::Open("/dev/full");
  REQUIRE(full.ok());
  Status status = (*full)->Write("line\n");
  if (status.ok()) status = (*full)->Flush();
  CHECK(status.code() == absl::StatusCode::kResourceExhausted);
  CHECK(std::string(status.message()).find("/dev/full") != std::string::npos);
}

}  // namespace vigil::alerts
