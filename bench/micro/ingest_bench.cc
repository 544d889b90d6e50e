// What one JSON event costs to read: own layout parser, the simdjson path behind it, and plain
// simdjson as yardstick.
//
// Events are the 13-field transactions of the peer benchmarks (237 bytes a line), made from a fixed
// seed. Times leave out read(): the source's own copying is timed apart and taken off. All rows of
// a table must give the same checksum.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include "cep/base/hash.h"
#include "ingest/codec_json.h"
#include "ingest/json_renderer.h"
#include "ingest/line_reader.h"
#include "ingest/source_file.h"

namespace vigil::ingest {
namespace {

// CPU time of this thread: other jobs on the machine do not count.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using time_point = duration;
  static time_point Now() {
    timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
  }
};

constexpr size_t kEvents = 200'000;

class Random {
 public:
  uint64_t Below(uint64_t n) { return Mix64(state_ += 0x9e3779b97f4a7c15) % n; }

 private:
  uint64_t state_ = 42;
};

std::string MakeTransactions(const char* comma, const char* colon) {
  static constexpr const char* kTypes[] = {"login",       "transaction", "transaction",
                                           "transaction", "transaction", "logout"};
  static constexpr const char* kCountries[] = {"US", "GB", "DE", "FR", "ES", "IT"};
  static constexpr const char* kChannels[] = {"web", "pos", "atm", "mobile"};
  Random random;
  std::string out;
  for (size_t i = 0; i < kEvents; ++i) {
    const auto field = [&](const char* name, const std::string& value) {
      out += out.back() == '{' ? "" : comma;
      out += std::string("\"") + name + "\"" + colon + value;
    };
    const auto text = [&](const std::string& value) { return '"' + value + '"'; };
    const auto digits = [&](const char* prefix, int width, uint64_t value) {
      char buffer[32];
      std::snprintf(buffer, sizeof buffer, "%s%0*llu", prefix, width,
                    static_cast<unsigned long long>(value));
      return text(buffer);
    };
    out += '{';
    field("id", std::to_string(i));
    field("ts", std::to_string(1700000000000 + i));
    field("type", text(kTypes[random.Below(6)]));
    field("account", digits("A", 7, random.Below(100'000)));
    field("amount",
          std::to_string(random.Below(1'000)) + "." + std::to_string(10 + random.Below(90)));
    field("currency", text("EUR"));
    field("country", text(kCountries[random.Below(6)]));
    field("merchant", digits("M", 5, random.Below(10'000)));
    field("channel", text(kChannels[random.Below(4)]));
    field("device", digits("D", 6, random.Below(1'000'000)));
    field("ip", text("10." + std::to_string(random.Below(256)) + "." +
                     std::to_string(random.Below(256)) + "." + std::to_string(random.Below(256))));
    field("new_location", random.Below(20) == 0 ? "true" : "false");
    field("failed_attempts", std::to_string(random.Below(3)));
    out += "}\n";
  }
  return out;
}

const std::string& Compact() {
  static const std::string text = MakeTransactions(",", ":");
  return text;
}
const std::string& Spaced() {
  static const std::string text = MakeTransactions(", ", ": ");
  return text;
}

// Serves a text and adds up the time that takes.
class MemorySource : public io::ByteSource {
 public:
  MemorySource(std::string_view text, Clock::duration* spent) : rest_(text), spent_(spent) {}

  StatusOr<size_t> Read(char* buffer, size_t size) override {
    const Clock::time_point start = Clock::Now();
    const size_t n = std::min(size, rest_.size());
    std::memcpy(buffer, rest_.data(), n);
    rest_.remove_prefix(n);
    *spent_ += Clock::Now() - start;
    return n;
  }
  const std::string& name() const override { return name_; }

 private:
  std::string_view rest_;
  Clock::duration* spent_;
  const std::string name_ = "memory";
};

std::shared_ptr<const cep::Layout> LayoutOf(int64_t fields) {
  auto layout = std::make_shared<cep::Layout>();
  layout->Add("ts", cep::TypeKind::kInt);
  layout->Add("type", cep::TypeKind::kString);
  layout->Add("account", cep::TypeKind::kString);
  layout->Add("amount", cep::TypeKind::kDouble);
  if (fields > 4) {
    layout->Add("country", cep::TypeKind::kString);
    layout->Add("new_location", cep::TypeKind::kBool);
  }
  if (fields > 6) {
    layout->Add("id", cep::TypeKind::kInt);
    layout->Add("failed_attempts", cep::TypeKind::kInt);
    for (const char* name : {"currency", "merchant", "channel", "device", "ip"}) {
      layout->Add(name, cep::TypeKind::kString);
    }
  }
  return layout;
}

void Report(benchmark::State& state, double checksum) {
  state.counters["checksum"] = checksum;
  state.counters["per_event"] = benchmark::Counter(
      static_cast<double>(kEvents),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void SetTime(benchmark::State& state, Clock::time_point start, Clock::duration read) {
  state.SetIterationTime(std::chrono::duration<double>(Clock::Now() - start - read).count());
}

// Lines only.
void BM_Split(benchmark::State& state) {
  Compact();  // made once, before any timing
  size_t bytes = 0;
  for (auto _ : state) {
    Clock::duration read{};
    const Clock::time_point start = Clock::Now();
    LineReader lines(std::make_unique<MemorySource>(Compact(), &read));
    Line line;
    bytes = 0;
    while (lines.Next(&line)) bytes += line.text.size();
    SetTime(state, start, read);
  }
  Report(state, static_cast<double>(bytes));
}

// The whole path of a file source into columns.
void ReadAll(benchmark::State& state, const std::string& text, bool strict) {
  const std::shared_ptr<const cep::Layout> layout = LayoutOf(state.range(0));
  const cep::Partition partition{"bench", "", 0, "bench"};
  cep::Batch batch(layout);
  double checksum = 0;
  for (auto _ : state) {
    Clock::duration read{};
    const Clock::time_point start = Clock::Now();
    auto source =
        FileSource::Open({.path = "-", .partition = &partition, .layout = layout, .strict = strict},
                         std::make_unique<MemorySource>(text, &read));
    checksum = 0;
    for (bool end = false; !end;) {
      if (!(*source)->Read(&batch, &end).ok()) state.SkipWithError("read failed");
      const double* amounts = batch.columns[3].doubles();
      const std::string_view* accounts = batch.columns[2].strings();
      for (uint32_t row = 0; row < batch.rows; ++row) {
        checksum += amounts[row] + static_cast<double>(accounts[row].size());
      }
    }
    SetTime(state, start, read);
  }
  Report(state, checksum);
}
void BM_Source(benchmark::State& state) { ReadAll(state, Compact(), false); }
void BM_SourceSpaced(benchmark::State& state) { ReadAll(state, Spaced(), false); }
void BM_SourceStrict(benchmark::State& state) { ReadAll(state, Compact(), true); }
// The path behind the layout parser: our use of simdjson, without conversion.
void BM_Tokenizer(benchmark::State& state) {
  const Projection projection(LayoutOf(state.range(0)), "ts", false);
  JsonTokenizer tokenizer(projection);
  FieldTexts texts(projection.names().size());
  JsonError error;
  double checksum = 0;
  for (auto _ : state) {
    Clock::duration read{};
    const Clock::time_point start = Clock::Now();
    LineReader lines(std::make_unique<MemorySource>(Compact(), &read));
    Line line;
    checksum = 0;
    while (lines.Next(&line)) {
      if (!tokenizer.Tokenize(line.text, &texts, &error)) state.SkipWithError("not tokenized");
      double amount = 0;
      ParseDouble(texts[3], &amount);
      checksum += amount + static_cast<double>(texts[2].size() - 2);
    }
    SetTime(state, start, read);
  }
  Report(state, checksum);
}

// The yardstick: the same lines, simdjson on demand with find_field in document order, four fields,
// no columns.
void BM_PlainSimdjson(benchmark::State& state) {
  simdjson::ondemand::parser parser;
  double checksum = 0;
  for (auto _ : state) {
    Clock::duration read{};
    const Clock::time_point start = Clock::Now();
    LineReader lines(std::make_unique<MemorySource>(Compact(), &read));
    Line line;
    checksum = 0;
    while (lines.Next(&line)) {
      simdjson::ondemand::document document;
      int64_t ts = 0;
      std::string_view type;
      std::string_view account;
      double amount = 0;
      const std::string_view text = line.text;
      if (parser.iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING)
              .get(document) ||
          document.find_field("ts").get(ts) || document.find_field("type").get(type) ||
          document.find_field("account").get(account) ||
          document.find_field("amount").get(amount)) {
        state.SkipWithError("not parsed");
      }
      benchmark::DoNotOptimize(ts);
      checksum += amount + static_cast<double>(account.size());
    }
    SetTime(state, start, read);
  }
  Report(state, checksum);
}

// Validating and copying a record, as happens for each event that a match captures.
void BM_Render(benchmark::State& state) {
  std::vector<std::string_view> lines;
  for (std::string_view rest = Compact(); !rest.empty();) {
    const size_t end = rest.find('\n');
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  lines.resize(std::min<size_t>(lines.size(), 4'000));  // stays in the cache, as just-read lines do
  std::string out;
  std::string why;
  size_t i = 0;
  for (auto _ : state) {
    out.clear();
    if (!JsonRenderer::Get().AppendJson(lines[i], &out, &why)) state.SkipWithError(why.c_str());
    benchmark::DoNotOptimize(out.data());
    i = i + 1 < lines.size() ? i + 1 : 0;
  }
}

BENCHMARK(BM_Split)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Source)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4)->Arg(6)->Arg(13);
BENCHMARK(BM_SourceSpaced)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4);
BENCHMARK(BM_SourceStrict)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4);
BENCHMARK(BM_Tokenizer)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4)->Arg(6);
BENCHMARK(BM_PlainSimdjson)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(BM_Render);

}  // namespace
}  // namespace vigil::ingest
