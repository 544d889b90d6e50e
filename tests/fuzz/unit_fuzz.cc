// Fuzz target: the body of a unit, restored into an operator. What is not refused must go on, and
// what is then written must go on alike.
//
// The first byte chooses the rules.
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "cep/base/check.h"
#include "cep/event/key.h"
#include "cep/event/key_bytes.h"
#include "tests/support/snapshot_run.h"

namespace vigil::testing {
namespace {

constexpr std::string_view kPatterns[] = {
    R"("pattern":[{"begin":"a","where":"value > LIMIT"},)"
    R"({"followed_by":"b","where":"value > a.value"}],"within":"20ms","on_timeout":{})",
    R"("pattern":[{"begin":"a","where":"value > LIMIT","times":"1..","repeat":"any"},)"
    R"({"followed_by_any":"b","where":"kind == 'b'"}],"within":"20ms")",
    R"("pattern":[{"begin":"a","where":"value > LIMIT","times":"2..3"},)"
    R"({"not_followed_by":"n","where":"kind == 'n'"}],"within":"9ms",)"
    R"("after_match":"skip_past_last_event")",
    R"("pattern":[{"begin":"g","times":"1..2","group":[{"begin":"a","where":"value > LIMIT"},)"
    R"({"next":"b","optional":true,"where":"size(b) < 2"}]},)"
    R"({"followed_by":"c","within":"5ms","where":"kind == 'c'"}],)"
    R"("within":"30ms","after_match":{"skip_to_last":"c"})",
};

struct Loaded {
  PatternCase made;
  LoadedCase loaded;
};

std::vector<Loaded> LoadAll() {
  std::vector<Loaded> all;
  for (const std::string_view pattern : kPatterns) {
    Loaded& one = all.emplace_back();
    one.made.fields = R"({"id":"int","ts":"int","user":"string","kind":"string","value":"int"})";
    for (const std::string limit : {"1", "2"}) {
      std::string rule =
          R"({"rule":"r)" + limit + R"(","key":"user",)" + std::string(pattern) + "}";
      rule.replace(rule.find("LIMIT"), 5, limit);
      one.made.rules.push_back(rule);
    }
    for (int i = 0; i < 12; ++i) {
      one.made.events.push_back(ParseCaseEvent(
          R"({"id":)" + std::to_string(i) + R"(,"ts":)" + std::to_string(10 + i * 2) +
          R"(,"user":"A","kind":")" + std::string(1, "abcn"[i * 7 % 4]) + R"(","value":)" +
          std::to_string(i * 5 % 7) + "}"));
    }
    one.loaded = LoadCase(one.made);
    CEP_CHECK(one.loaded.patterns != nullptr && one.loaded.patterns->blocks.size() == 1);
  }
  return all;
}

std::vector<std::string> GoOn(SteppedRun* run, const std::vector<CaseEvent>& events) {
  for (size_t at = 0; at < events.size();) at = run->Step(at);
  run->Finish();
  return run->TakeLines();
}

}  // namespace
}  // namespace vigil::testing

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vigil::testing;
  static const std::vector<Loaded> kAll = LoadAll();
  if (size == 0) return 0;
  const Loaded& chosen = kAll[data[0] % kAll.size()];
  const std::string key(
      "\x04\0\0\0\x01"
      "A",
      6);
  vigil::cep::RestoredUnit unit;
  unit.name = {vigil::cep::KeyGroupOf(*vigil::cep::HashKeyBytes(key, 1)), "user", key, "r1"};
  unit.body = {reinterpret_cast<const char*>(data) + 1, size - 1};
  const std::vector<CaseEvent>& events = chosen.made.events;
  SteppedRun run(chosen.loaded, events, 1);
  if (!run.Restore(unit).ok()) return 0;
  UnitStore store;
  run.Snapshot(&store);
  SteppedRun again(chosen.loaded, events, 1);
  again.Restore(store);
  const std::vector<std::string> lines = GoOn(&run, events);
  if (GoOn(&again, events) == lines) return 0;
  std::fprintf(stderr, "what was written again goes on differently\n");
  CEP_CHECK(false);
  return 0;
}
