// Posted records: when they are answered and how, and what is refused.
#include "ingest/source_http.h"

#include <future>

#include <catch2/catch.hpp>

#include "tests/ingest/live_support.h"
#include "tests/support/process.h"

namespace vigil::ingest {
namespace {

using testing::RunProcess;
using testing::TempDir;

const Fields kFields = {{"a", cep::Type(cep::TypeKind::kInt)}};

struct Listener {
  // `resumed`: where a former run stood.
  explicit Listener(const std::function<void(HttpSourceOptions*)>& change = nullptr,
                    std::vector<cep::ResumeFrom> resumed = {}, bool accepts_loss = false) {
    SourceCodec codec = CodecFor(kFields);
    const auto layout = codec.options.layout;
    HttpSourceOptions options;
    options.source.name = "s";
    options.source.codec = std::move(codec);
    options.source.clock = &clock;
    options.server.host = "127.0.0.1";
    if (change != nullptr) change(&options);
    auto made = std::make_unique<HttpSource>(std::move(options), &log);
    source = made.get();
    source->Resume(std::move(resumed), accepts_loss);
    reader = std::make_unique<LiveReader>(std::move(made), layout);
  }
  // The answer's header, body, and status, of a request that runs beside the test.
  std::future<std::string> Post(const std::string& body, std::vector<std::string> more = {},
                                const std::string& path = HttpSource::kPath) {
    const std::string file = dir.Write("body" + std::to_string(posts++), body);
    std::vector<std::string> argv = {
        "curl",       "-s", "-i",
        "--max-time", "20", "http://127.0.0.1:" + std::to_string(source->port()) + path};
    if (more.empty() || more[0] != "-X") {
      argv.insert(argv.end(), {"-H", "Expect:", "--data-binary", "@" + file});
    }
    argv.insert(argv.end(), more.begin(), more.end());
    return std::async(std::launch::async, [argv] { return RunProcess(argv).out; });
  }
  void PublishAll() { source->Publish({source->partitions()[0].next_offset}); }

  TempDir dir;
  int posts = 0;
  SystemClock clock;
  SilentLog log;
  HttpSource* source = nullptr;
  std::unique_ptr<LiveReader> reader;
};

bool IsAnswered(const std::future<std::string>& answer, int ms) {
  return answer.wait_for(std::chrono::milliseconds(ms)) == std::future_status::ready;
}

TEST_CASE("HttpSource: an answer comes once everything of the request is done with",
          "[ingest][unit]") {
  Listener listener;
  auto one = listener.Post("{\"ts\":1,\"a\":1}\nbad\n\n{\"ts\":2,\"a\":2}");
  REQUIRE(listener.reader->UntilRows(3));
  auto two = listener.Post("{\"ts\":3,\"a\":3}\n");
  REQUIRE(listener.reader->UntilRows(4));
  // As a job would say of what it was given.
  listener.source->NoteVerdicts(0, {.read = 2, .late = 0, .quarantined = 1});
  listener.source->NoteVerdicts(0, {.read = 1, .late = 1, .quarantined = 0});
  listener.source->NoteVerdicts(0, {.read = 1, .late = 0, .quarantined = 0});
  CHECK_FALSE(IsAnswered(one, 200));
  const uint64_t end = listener.source->partitions()[0].next_offset;
  listener.source->Publish({end - 2});
  CHECK_FALSE(IsAnswered(one, 100));
  listener.source->Publish({end - 1});
  REQUIRE(IsAnswered(one, 5000));
  CHECK_FALSE(IsAnswered(two, 100));
  const std::string answer = one.get();
  CHECK(answer.find("HTTP/1.1 200") == 0);
  CHECK(answer.find(R"({"read":3,"accepted":1,"late":1,"quarantined":1})") != std::string::npos);
  listener.PublishAll();
  CHECK(two.get().find(R"({"read":1,"accepted":1,"late":0,"quarantined":0})") != std::string::npos);
}

TEST_CASE("HttpSource: what is refused, and nothing of it is taken", "[ingest][unit]") {
  Listener listener([](HttpSourceOptions* options) {
    options->token = "secret";
    options->server.body_max = 1000;
  });
  const std::vector<std::string> token = {"-H", "Authorization: Bearer secret"};
  CHECK(listener.Post("{}").get().find("HTTP/1.1 401") == 0);
  CHECK(listener.Post("{}", {"-H", "Authorization: Bearer secre"}).get().find("HTTP/1.1 401") == 0);
  CHECK(listener.Post("{}", token, "/v1/other").get().find("HTTP/1.1 404") == 0);
  CHECK(listener.Post("", {"-X", "GET", "-H", "Authorization: Bearer secret"})
            .get()
            .find("HTTP/1.1 405") == 0);
  CHECK(listener.Post(std::string(2000, 'x'), token).get().find("HTTP/1.1 413") == 0);
  CHECK(listener.Post("\n \n", token).get().find(R"({"read":0,"accepted":0)") != std::string::npos);
  listener.reader->For(100);
  CHECK(listener.reader->rows.empty());
  const Listener open([](HttpSourceOptions* options) { options->server.host = "0.0.0.0"; });
  CHECK(open.reader->status.code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("HttpSource: with its queue full it asks for patience", "[ingest][unit]") {
  Listener listener;
  listener.reader->holds = true;
  const std::string line = "{\"ts\":1,\"a\":1,\"pad\":\"" + std::string(1000, 'x') + "\"}\n";
  std::string body;
  for (int i = 0; i < 3000; ++i) body += line;
  auto one = listener.Post(body);
  listener.reader->For(300);
  auto two = listener.Post(body);
  listener.reader->For(300);
  const std::string refused = listener.Post(body).get();
  CHECK(refused.find("HTTP/1.1 429") == 0);
  CHECK(refused.find("Retry-After: 1") != std::string::npos);
  listener.reader->holds = false;
  REQUIRE(listener.reader->UntilRows(6000));
  listener.PublishAll();
  CHECK(one.get().find("HTTP/1.1 200") == 0);
  CHECK(two.get().find("HTTP/1.1 200") == 0);
}

TEST_CASE("HttpSource: requests that are not done with at the end are told", "[ingest][unit]") {
  Listener listener;
  auto one = listener.Post("{\"ts\":1,\"a\":1}\n");
  REQUIRE(listener.reader->UntilRows(1));
  listener.reader.reset();
  const std::string answer = one.get();
  CHECK(answer.find("HTTP/1.1 503") == 0);
  CHECK(answer.find("may have been accepted") != std::string::npos);
}

TEST_CASE("HttpSource: a CSV body begins with its header", "[ingest][unit]") {
  Listener listener([](HttpSourceOptions* options) {
    options->source.header = QueuedSourceOptions::Header::kCsv;
    options->split.has_header = true;
  });
  auto one = listener.Post("a,ts\n1,10\n");
  auto two = listener.Post("ts,a\n20,2\n30\n");
  REQUIRE(listener.reader->UntilRows(3));
  listener.PublishAll();
  CHECK(one.get().find("HTTP/1.1 200") == 0);
  CHECK(two.get().find("HTTP/1.1 200") == 0);
  std::string all;
  for (const std::string& row : listener.reader->rows) all += row + "\n";
  CHECK(all.find("@10: 1\n") != std::string::npos);
  CHECK(all.find("@20: 2\n") != std::string::npos);
  CHECK(all.find("1 cells, but the header names 2") != std::string::npos);
}

TEST_CASE("HttpSource: what was kept comes first, with the times and headers it had",
          "[ingest][unit]") {
  const bool is_wall_time = GENERATE(false, true);
  const auto csv = [&](HttpSourceOptions* options) {
    options->source.header = QueuedSourceOptions::Header::kCsv;
    options->source.is_wall_time = is_wall_time;
    options->split.has_header = true;
  };
  Listener former(csv);
  auto one = former.Post("a,ts\n1,10\n2,20\nbad\n");
  REQUIRE(former.reader->UntilRows(3));
  auto two = former.Post("ts,a\n30,3\n40,4\n");
  REQUIRE(former.reader->UntilRows(5));
  // The first and the last two wait.
  std::vector<cep::KeptRow> kept;
  std::vector<std::string> rows;
  for (const auto& batch : former.reader->batches) {
    for (uint32_t row = 0; row < batch->rows; ++row) {
      const std::string text = FormatRow(*batch, row);
      if (text.find(": 2") != std::string::npos) continue;
      rows.push_back("s/http/0 " + text);
      kept.push_back({batch->offsets[row], ""});
      former.source->Keep(*batch, row, &kept.back().bytes);
    }
  }
  REQUIRE(kept.size() == 3);
  // As if this run began before the former one had ended: numbers go on all the same.
  const uint64_t end = former.source->partitions()[0].next_offset + (uint64_t{1} << 40);
  Listener later(csv, {{"http", 0, kept[0].offset, end, {}, kept}});
  REQUIRE(later.reader->UntilRows(3));
  CHECK(later.reader->rows == rows);
  CHECK(later.source->partitions()[0].next_offset == end);
  auto three = later.Post("a,ts\n5,50\n");
  REQUIRE(later.reader->UntilRows(4));
  CHECK(later.reader->batches.back()->offsets[0] == end);
  later.PublishAll();
  CHECK(three.get().find("HTTP/1.1 200") == 0);
  former.PublishAll();
  CHECK(one.get().find("HTTP/1.1 200") == 0);
  CHECK(two.get().find("HTTP/1.1 200") == 0);

  for (const char* damage : {"", "\xff", "\x02\x7f"}) {
    std::vector<cep::KeptRow> damaged = kept;
    damaged[1].bytes = damage;
    const Listener refused(csv, {{"http", 0, kept[0].offset, end, {}, damaged}});
    CHECK(absl::IsDataLoss(refused.reader->status));
  }
}

TEST_CASE("HttpSource: a partition of a former run that it does not have", "[ingest][unit]") {
  const cep::ResumeFrom other{"tcp", 0, 5, 9, {}, {{5, std::string("\x02\x00x", 3)}}};
  const Listener refused(nullptr, {other});
  CHECK(absl::IsFailedPrecondition(refused.reader->status));
  CHECK(std::string(refused.reader->status.message()).find("s/tcp/0") != std::string::npos);
  Listener accepted(nullptr, {other}, true);
  auto one = accepted.Post("{\"ts\":1,\"a\":1}\n");
  REQUIRE(accepted.reader->UntilRows(1));
  accepted.PublishAll();
  CHECK(one.get().find("HTTP/1.1 200") == 0);
}

}  // namespace
}  // namespace vigil::ingest
