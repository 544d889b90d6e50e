// Writes made-up account events as JSON Lines to standard output, the same bytes for the same
// options.
//
// Usage: vigil_bench_generate [--events N] [--accounts N] [--seed N] [--late PERCENT] [--max-delay
// MS]
//                             [--shuffled MS]
//
// One event a millisecond of event time, times unique, about 240 bytes each: 10 % logins, 85 %
// transactions, the rest password changes and logouts. Accounts are drawn with weight rank^-0.5.
// Lines stand in order of arrival: PERCENT of the events arrive up to MS late; with --shuffled
// every event arrives at a random time less than MS after its own. Only integers and IEEE basic
// operations decide, so no library changes the bytes.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

namespace {

// PCG-XSH-RR 64/32 (O'Neill, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) { Bits(), Bits(); }

  uint32_t Bits() {
    const uint64_t old = state_;
    state_ = old * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto mixed = static_cast<uint32_t>(((old >> 18) ^ old) >> 27);
    const auto turn = static_cast<uint32_t>(old >> 59);
    return (mixed >> turn) | (mixed << ((32 - turn) & 31));
  }
  uint64_t Below(uint64_t bound) { return (uint64_t{Bits()} * bound) >> 32; }
  double Unit() { return Bits() * 0x1p-32; }
  bool Chance(double probability) { return Unit() < probability; }

 private:
  uint64_t state_;
};

struct Options {
  uint64_t events = 2'000'000;
  uint64_t accounts = 100'000;
  uint64_t seed = 1;
  uint64_t late = 5;          // percent
  uint64_t max_delay = 2000;  // ms
  uint64_t shuffled = 0;      // ms; 0: off
};

struct Place {
  const char* country;
  const char* currency;
};
constexpr Place kPlaces[] = {{"AT", "EUR"}, {"BE", "EUR"}, {"BR", "BRL"}, {"CA", "CAD"},
                             {"CH", "CHF"}, {"CZ", "CZK"}, {"DE", "EUR"}, {"DK", "DKK"},
                             {"ES", "EUR"}, {"FI", "EUR"}, {"FR", "EUR"}, {"GB", "GBP"},
                             {"HU", "HUF"}, {"IE", "EUR"}, {"IT", "EUR"}, {"JP", "JPY"},
                             {"NL", "EUR"}, {"PL", "PLN"}, {"SE", "SEK"}, {"US", "USD"}};
constexpr uint64_t kPlaceCount = sizeof(kPlaces) / sizeof(kPlaces[0]);
constexpr const char* kChannels[] = {"web", "pos", "atm", "mobile"};
constexpr uint64_t kFirstTime = 1'750'000'000'000;

// Small, everyday and rare large amounts: 20 % below 10, 75 % up to 1,000, 4.4 % up to 10,000, 0.6
// % above.
uint64_t DrawCents(Random& random) {
  const double kind = random.Unit();
  const double u = random.Unit();
  const double skewed = u * u * u;  // mass near the lower end, as with real payments
  if (kind < 0.20) return 50 + static_cast<uint64_t>(u * 949);
  if (kind < 0.95) return 1'000 + static_cast<uint64_t>(skewed * 99'000);
  if (kind < 0.994) return 100'001 + static_cast<uint64_t>(skewed * 899'999);
  return 1'000'001 + static_cast<uint64_t>(skewed * 3'999'999);
}

std::string DrawLine(Random& random, const Options& options, uint64_t number, uint64_t ts) {
  const double rank = random.Unit();  // rank^-0.5 has the distribution function sqrt
  const auto account = static_cast<uint64_t>(rank * rank * static_cast<double>(options.accounts));
  const double kind = random.Unit();
  const bool is_login = kind < 0.10;
  const bool is_transaction = !is_login && kind < 0.95;
  const char* type = is_login         ? "login"
                     : is_transaction ? "transaction"
                     : kind < 0.97    ? "password_change"
                                      : "logout";
  const uint64_t cents = is_transaction ? DrawCents(random) : 0;
  const uint64_t home = account * 2654435761U % kPlaceCount;
  const Place& place = kPlaces[random.Chance(0.97) ? home : random.Below(kPlaceCount)];
  const uint64_t device = random.Chance(0.98) ? account : random.Below(1'000'000);
  const double shop = random.Unit();
  const auto merchant = is_transaction ? static_cast<unsigned>(shop * shop * shop * 10'000) : 0U;
  const bool new_location = is_login && random.Chance(0.05);
  const auto failed =
      is_login && random.Chance(0.06) ? static_cast<unsigned>(1 + random.Below(9)) : 0U;
  const uint32_t ip = random.Bits();
  char line[400];
  const int length = std::snprintf(
      line, sizeof line,
      R"({"id":%)" PRIu64 R"(,"ts":%)" PRIu64 R"(,"type":"%s","account":"A%07)" PRIu64
      R"(","amount":%)" PRIu64 R"(.%02)" PRIu64
      R"(,"currency":"%s","country":"%s","merchant":"M%05u",)"
      R"("channel":"%s","device":"D%07)" PRIu64 R"(","ip":"10.%u.%u.%u","new_location":%s,)"
      R"("failed_attempts":%u})"
      "\n",
      number, ts, type, account, cents / 100, cents % 100, place.currency, place.country, merchant,
      kChannels[random.Below(4)], device, ip >> 24, ip >> 16 & 255, ip >> 8 & 255,
      new_location ? "true" : "false", failed);
  return {line, static_cast<size_t>(length)};
}

struct Underway {
  uint64_t arrival;
  uint64_t number;
  std::string line;
};
struct ArrivesLater {
  bool operator()(const Underway& a, const Underway& b) const {
    return a.arrival != b.arrival ? a.arrival > b.arrival : a.number > b.number;
  }
};

void Generate(const Options& options) {
  Random random(options.seed);
  std::priority_queue<Underway, std::vector<Underway>, ArrivesLater> underway;
  const auto write_until = [&](uint64_t now) {
    for (; !underway.empty() && underway.top().arrival <= now; underway.pop()) {
      const std::string& line = underway.top().line;
      std::fwrite(line.data(), 1, line.size(), stdout);
    }
  };
  for (uint64_t number = 0; number < options.events; ++number) {
    const uint64_t ts = kFirstTime + number;
    std::string line = DrawLine(random, options, number, ts);
    uint64_t delay = 0;
    if (options.shuffled != 0) {
      delay = random.Below(options.shuffled);
    } else if (options.max_delay != 0 && random.Below(100) < options.late) {
      delay = random.Below(options.max_delay);
    }
    underway.push({ts + delay, number, std::move(line)});
    write_until(ts);
  }
  write_until(UINT64_MAX);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  const std::map<std::string_view, uint64_t*> known = {
      {"--events", &options.events},       {"--accounts", &options.accounts},
      {"--seed", &options.seed},           {"--late", &options.late},
      {"--max-delay", &options.max_delay}, {"--shuffled", &options.shuffled}};
  for (int i = 1; i < argc; i += 2) {
    const auto option = known.find(argv[i]);
    if (option == known.end() || i + 1 == argc) {
      std::fprintf(stderr, "vigil_bench_generate: unknown option or no value: %s\n", argv[i]);
      return 2;
    }
    *option->second = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (options.accounts == 0) options.accounts = 1;
  static char buffer[1 << 20];
  std::setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  Generate(options);
  return std::fflush(stdout) == 0 && std::ferror(stdout) == 0 ? 0 : 3;
}
