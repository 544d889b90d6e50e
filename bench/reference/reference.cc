// How many alerts each benchmark workload must raise, by plain code that knows nothing of rules.
//
// Usage: vigil_bench_reference FILE
// prints {"events":N,"w1":N,"w2":N,"rules100":[N,
// ...],"thresholds1000":[...],"merchants1000":[...]} Reads everything, sorts by event time and
// keeps one small record per account, as one would by hand. Windows are exclusive, as Vigil's
// `within` is.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include <simdjson.h>

namespace {

struct Event {
  int64_t ts;
  uint32_t account;
  uint32_t merchant;
  bool is_login;
  bool is_transaction;
  bool is_suspicious;  // a login from a new place or after more than 3 failures
  int64_t cents;
};

bool ReadEvents(const char* path, std::vector<Event>& events) {
  simdjson::dom::parser parser;
  simdjson::dom::document_stream lines;
  if (parser.load_many(path, 1 << 22).get(lines)) return false;
  std::unordered_map<std::string, uint32_t> accounts;
  for (auto line : lines) {
    simdjson::dom::element e;
    if (line.get(e)) return false;
    const std::string_view type = e["type"];
    const auto account = accounts.emplace(std::string(std::string_view(e["account"])),
                                          static_cast<uint32_t>(accounts.size()));
    const bool is_login = type == "login";
    const bool is_suspicious =
        is_login && (bool(e["new_location"]) || int64_t(e["failed_attempts"]) > 3);
    const std::string_view merchant = e["merchant"];  // M00000
    events.push_back({int64_t(e["ts"]), account.first->second,
                      static_cast<uint32_t>(std::stoul(std::string(merchant.substr(1)))), is_login,
                      type == "transaction", is_suspicious,
                      static_cast<int64_t>(double(e["amount"]) * 100 + 0.5)});
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.ts < b.ts; });
  return true;
}

// Login, as the account's very next event a transaction over the threshold, less than a minute
// later.
int64_t CountW1(const std::vector<Event>& events, int64_t threshold_cents) {
  std::unordered_map<uint32_t, const Event*> last;
  int64_t count = 0;
  for (const Event& event : events) {
    const Event*& before = last[event.account];
    count += before != nullptr && before->is_login && event.is_transaction &&
             event.cents > threshold_cents && event.ts - before->ts < 60'000;
    before = &event;
  }
  return count;
}

// The same for thresholds `lowest`, `lowest + step` ... in one pass.
std::vector<int64_t> CountThresholds(const std::vector<Event>& events, int64_t lowest, int64_t step,
                                     size_t count) {
  std::unordered_map<uint32_t, const Event*> last;
  std::vector<int64_t> counts(count);
  for (const Event& event : events) {
    const Event*& before = last[event.account];
    if (before != nullptr && before->is_login && event.is_transaction &&
        event.ts - before->ts < 60'000) {
      for (size_t i = 0; i < count && event.cents > lowest + step * static_cast<int64_t>(i); ++i) {
        ++counts[i];
      }
    }
    before = &event;
  }
  return counts;
}

// An event at one of the merchants 0 and 9,001 to 9,999, then, as the account's very next event a
// transaction over 10,000, less than a minute later: by merchant.
std::vector<int64_t> CountMerchants(const std::vector<Event>& events) {
  std::unordered_map<uint32_t, const Event*> last;
  std::vector<int64_t> counts(1000);
  for (const Event& event : events) {
    const Event*& before = last[event.account];
    if (before != nullptr && (before->merchant == 0 || before->merchant > 9000) &&
        event.is_transaction && event.cents > 1'000'000 && event.ts - before->ts < 60'000) {
      ++counts[before->merchant == 0 ? 0 : before->merchant - 9000];
    }
    before = &event;
  }
  return counts;
}

void PrintCounts(const char* name, const std::vector<int64_t>& counts) {
  std::cout << ",\"" << name << "\":[";
  for (size_t i = 0; i < counts.size(); ++i) std::cout << (i ? "," : "") << counts[i];
  std::cout << "]";
}

// A suspicious login, then a transaction over 10,000 less than 10 minutes later; a match uses up
// all logins before it. The newest login decides: if it is too old, so are the others.
int64_t CountW2(const std::vector<Event>& events) {
  std::unordered_map<uint32_t, int64_t> newest;
  int64_t count = 0;
  for (const Event& event : events) {
    if (event.is_suspicious) {
      newest[event.account] = event.ts;
    } else if (event.is_transaction && event.cents > 1'000'000) {
      const auto login = newest.find(event.account);
      if (login == newest.end()) continue;
      count += event.ts - login->second < 600'000;
      newest.erase(login);
    }
  }
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<Event> events;
  if (argc != 2 || !ReadEvents(argv[1], events)) {
    std::cerr << "usage: vigil_bench_reference FILE\n";
    return 2;
  }
  std::cout << "{\"events\":" << events.size() << ",\"w1\":" << CountW1(events, 1'000'000)
            << ",\"w2\":" << CountW2(events);
  // Rule i of bench/run's generated files: amount > 5000 + 100 * i, and amount > 40000 + 10 * i.
  std::vector<int64_t> rules100;
  for (int64_t i = 0; i < 100; ++i) rules100.push_back(CountW1(events, 500'000 + 10'000 * i));
  PrintCounts("rules100", rules100);
  PrintCounts("thresholds1000", CountThresholds(events, 4'000'000, 1'000, 1000));
  PrintCounts("merchants1000", CountMerchants(events));
  std::cout << "}\n";
}
