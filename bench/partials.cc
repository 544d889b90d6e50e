// What open partial matches cost in memory: resident bytes each, beyond the events that they hold.
//
// Feeds one shard's operator with events that start and extend matches and complete none, and
// compares the process's resident memory before and after. The bytes of captured events, which hold
// the fields that rules and alerts read, are counted apart. Where each key has one partial match,
// most of it is the key: its bytes, its place in the table, when it is due.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include "patterns/pattern_operator.h"
#include "rules/explain.h"
#include "rules/load.h"
#include "rules/schema_file.h"

namespace {

using namespace vigil;  // NOLINT(google-build-using-namespace)

class NoSink : public cep::MatchSink {
 public:
  void OnMatch(const cep::Match&) override { ++matches; }
  bool WantsRuleError(uint32_t, std::string_view) override { return false; }
  void OnRuleError(const cep::RuleError&) override {}
  uint64_t matches = 0;
};

// Resident memory, without what the allocator holds for later.
size_t ResidentBytes() {
  malloc_trim(0);
  std::ifstream file("/proc/self/statm");
  size_t all = 0;
  size_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

struct Scenario {
  const char* name;
  const char* pattern;
  uint32_t keys;
  uint32_t events_per_key;
  uint64_t partials_per_key;  // that these leave open
};

// Columns of the layout: `user`, `kind`, `value`, as far as the rule reads them.
bool Measure(const Scenario& scenario) {
  const rules::SchemaResult schema =
      rules::LoadSchemaText("schema", "fields: {user: int, kind: int, value: int}");
  const std::string text =
      std::string("version: 1\nrules: [{rule: r, key: user, within: 1h, pattern: ") +
      scenario.pattern + "}]";
  const auto loaded = rules::LoadRuleTexts({{"rules", text}}, schema.schema);
  if (loaded.rules == nullptr) return false;
  auto patterns = patterns::CompilePatterns(rules::PatternRules(*loaded.rules));
  if (!patterns.ok()) return false;
  const std::shared_ptr<const cep::Layout> layout = loaded.rules->layout;
  const cep::Partition partition{.source = "bench", .place = "bench"};
  const std::string json = R"({"user":1,"kind":1,"value":1})";

  auto op = std::make_unique<patterns::PatternOperator>(*patterns);
  cep::Batch batch(layout);
  cep::OrderedBlock block(layout, 1);
  NoSink sink;
  uint32_t row = 0;
  uint64_t sequence = 0;
  const auto flush = [&] {
    block.rows = batch.rows = row;
    block.first_sequence = sequence;
    cep::HashKeys(batch, (*patterns)->key_exprs[0], block.key_hashes[0].get());
    op->ProcessRows(block, &sink);
    sequence += row;
    row = 0;
  };
  const size_t before = ResidentBytes();
  for (uint32_t event = 0; event < scenario.events_per_key; ++event) {
    for (uint32_t key = 0; key < scenario.keys; ++key) {
      const int64_t values[] = {key, event % 2, -static_cast<int64_t>(event)};
      for (size_t slot = 0; slot < layout->slots().size(); ++slot) {
        const std::string& name = layout->slots()[slot].name;
        const int64_t value = values[name == "user" ? 0 : name == "kind" ? 1 : 2];
        batch.columns[slot].ints()[row] = block.columns[slot].ints()[row] = value;
      }
      batch.ts[row] = block.ts[row] = 1000 + event;
      batch.offsets[row] = sequence + row;
      batch.partitions[row] = &partition;
      batch.raw[row] = json;
      batch.is_json[row] = 1;
      block.refs[row] = {&batch, row};
      if (++row == cep::kBatchRows) flush();
    }
  }
  if (row > 0) flush();
  const size_t memory = ResidentBytes() - before;
  const size_t events = op->event_bytes();
  const double partials = static_cast<double>(scenario.partials_per_key) * scenario.keys;
  std::printf("%-44s%12.0f%14.1f%14.1f\n", scenario.name, partials,
              (static_cast<double>(memory) - static_cast<double>(events)) / partials,
              static_cast<double>(events) / partials);
  return sink.matches == 0;
}

}  // namespace

int main() {
  constexpr Scenario kScenarios[] = {
      {"one by one, 100 a key",
       "[{begin: a, where: kind >= 0}, {followed_by: b, where: value > a.value}]", 10000, 100, 100},
      {"one by one, 1 a key, with the key itself",
       "[{begin: a, where: kind >= 0}, {followed_by: b, where: value > 0}]", 1000000, 1, 1},
      {"grouped, 100 a key", "[{begin: a, where: kind >= 0}, {followed_by: b, where: value > 0}]",
       10000, 100, 100},
      {"grouped, 1,000 starts, 250,000 pairs a key",
       "[{begin: a, where: kind == 0}, {followed_by_any: b, where: kind == 1}, "
       "{followed_by_any: c, where: value > 0}]",
       100, 1000, 125250 + 500},
  };
  std::printf("%-44s%12s%14s%14s\n", "open partial matches", "number", "bytes each",
              "events' bytes");
  for (const Scenario& scenario : kScenarios) {
    if (!Measure(scenario)) {
      std::fprintf(stderr, "vigil_bench_partials: %s does not run as it should\n", scenario.name);
      return 1;
    }
  }
  return 0;
}
