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
  explicit Listener(const std::function<void(HttpSourceOptions*)>& change = nullptr) {
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
    options->source.has_header = true;
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

}  // namespace
}  // namespace vigil::ingest
