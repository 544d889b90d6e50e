// What one Protobuf or Avro event costs to read into columns.
//
// Events are 13-field transactions as in ingest_bench.cc, made from a fixed seed, split beforehand:
// times are of the codec alone. All rows of a table must give the same checksum.
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "cep/base/hash.h"
#include "ingest/chunk_pool.h"
#include "ingest/codec_avro.h"
#include "ingest/codec_protobuf.h"

namespace vigil::ingest {
namespace {

constexpr size_t kEvents = 200'000;
constexpr const char* kProto =
    "syntax = \"proto3\"; message Event { int64 id = 1; int64 ts = 2; string type = 3; "
    "string account = 4; double amount = 5; string currency = 6; string country = 7; "
    "string merchant = 8; string channel = 9; string device = 10; string ip = 11; "
    "bool new_location = 12; int32 failed_attempts = 13; }";
constexpr const char* kAvro = R"({"type": "record", "name": "Event", "fields": [
    {"name": "id", "type": "long"}, {"name": "ts", "type": "long"},
    {"name": "type", "type": "string"}, {"name": "account", "type": "string"},
    {"name": "amount", "type": "double"}, {"name": "currency", "type": "string"},
    {"name": "country", "type": "string"}, {"name": "merchant", "type": "string"},
    {"name": "channel", "type": "string"}, {"name": "device", "type": "string"},
    {"name": "ip", "type": "string"}, {"name": "new_location", "type": "boolean"},
    {"name": "failed_attempts", "type": "int"}]})";

double CpuSeconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

void AddVarint(uint64_t n, std::string* out) {
  for (; n >= 0x80; n >>= 7) out->push_back(static_cast<char>(n | 0x80));
  out->push_back(static_cast<char>(n));
}

// Writes one format's fields in order.
class Writer {
 public:
  Writer(bool is_avro, std::string* out) : is_avro_(is_avro), out_(*out) {}

  void Int(int number, uint64_t value) {
    Tag(number, 0);
    AddVarint(is_avro_ ? value << 1 : value, &out_);
  }
  void Text(int number, const std::string& value) {
    Tag(number, 2);
    AddVarint(is_avro_ ? value.size() << 1 : value.size(), &out_);
    out_ += value;
  }
  void Double(int number, double value) {
    Tag(number, 1);
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void Bool(int number, bool value) {
    if (is_avro_) {
      out_.push_back(value ? 1 : 0);
    } else if (value) {
      Tag(number, 0);
      out_.push_back(1);
    }
  }

 private:
  void Tag(int number, int wire) {
    if (!is_avro_) out_.push_back(static_cast<char>(number << 3 | wire));
  }

  const bool is_avro_;
  std::string& out_;
};

// The events, each as a record in one padded text.
struct Events {
  explicit Events(bool is_avro) {
    uint64_t state = 42;
    const auto below = [&](uint64_t n) { return Mix64(state += 0x9e3779b97f4a7c15) % n; };
    const auto code = [&](const char* prefix, int width, uint64_t value) {
      std::string digits = std::to_string(value);
      return prefix + std::string(static_cast<size_t>(width) - digits.size(), '0') + digits;
    };
    std::vector<size_t> ends;
    for (size_t i = 0; i < kEvents; ++i) {
      Writer w(is_avro, &text);
      w.Int(1, i + 1);
      w.Int(2, 1'700'000'000'000 + i);
      w.Text(3, below(3) == 0 ? "login" : "transaction");
      w.Text(4, code("A", 7, below(100'000)));
      w.Double(5, static_cast<double>(below(100'000)) / 100);
      w.Text(6, "EUR");
      w.Text(7, "DE");
      w.Text(8, code("M", 5, below(10'000)));
      w.Text(9, "web");
      w.Text(10, code("D", 6, below(1'000'000)));
      w.Text(11, "10." + std::to_string(below(256)) + ".1." + std::to_string(below(256)));
      w.Bool(12, below(20) == 0);
      w.Int(13, 1 + below(3));
      ends.push_back(text.size());
    }
    text.append(ChunkPool::kPadding, '\0');
    size_t begin = 0;
    for (const size_t end : ends) {
      records.push_back({.bytes = std::string_view(text).substr(begin, end - begin),
                         .partition = &partition,
                         .offset = records.size()});
      begin = end;
    }
  }

  std::string text;
  std::vector<RawRecord> records;
  cep::Partition partition;
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

void DecodeAll(benchmark::State& state, const Events& events, Codec* codec,
               const std::shared_ptr<const cep::Layout>& layout) {
  cep::Batch batch(layout);
  double checksum = 0;
  for (auto _ : state) {
    const double start = CpuSeconds();
    checksum = 0;
    for (size_t i = 0; i < kEvents; i += cep::kBatchRows) {
      batch.Clear();
      codec->Decode(&events.records[i], std::min<size_t>(cep::kBatchRows, kEvents - i), &batch);
      if (!batch.rejected.empty()) state.SkipWithError(batch.rejected[0].reason.c_str());
      for (uint32_t row = 0; row < batch.rows; ++row) {
        checksum += batch.columns[3].doubles()[row] +
                    static_cast<double>(batch.columns[2].strings()[row].size());
      }
    }
    state.SetIterationTime(CpuSeconds() - start);
  }
  state.counters["checksum"] = checksum;
  state.counters["per_event"] = benchmark::Counter(
      static_cast<double>(kEvents),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void Protobuf(benchmark::State& state, bool strict) {
  static const Events events(false);
  const auto descriptors = *ProtobufDescriptors::Compile({{"event.proto", kProto}});
  const auto layout = LayoutOf(state.range(0));
  ProtobufCodec codec({.layout = layout, .strict = strict}, descriptors, **descriptors->FindOnly());
  DecodeAll(state, events, &codec, layout);
}
void BM_Protobuf(benchmark::State& state) { Protobuf(state, false); }
void BM_ProtobufStrict(benchmark::State& state) { Protobuf(state, true); }

void BM_Avro(benchmark::State& state) {
  static const Events events(true);
  const auto layout = LayoutOf(state.range(0));
  const auto codec = *AvroCodec::Create({.layout = layout}, *AvroSchema::Parse(kAvro), nullptr);
  DecodeAll(state, events, codec.get(), layout);
}

BENCHMARK(BM_Protobuf)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4)->Arg(6)->Arg(13);
BENCHMARK(BM_ProtobufStrict)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(6);
BENCHMARK(BM_Avro)->UseManualTime()->Unit(benchmark::kMillisecond)->Arg(4)->Arg(6)->Arg(13);

}  // namespace
}  // namespace vigil::ingest
