// The yardstick of `vigil replay`: the same file read line by line with plain simdjson, doing
// nothing else.
//
// Usage: vigil_bench_yardstick split|fields FILE
//   split    reads the file and finds the lines
//   fields   parses each line on demand and reads ts, type, account and amount by name
// Prints a sum over what was read, which keeps the optimiser honest.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <simdjson.h>

namespace {

using simdjson::ondemand::document;
using simdjson::ondemand::parser;

struct Sum {
  uint64_t lines = 0;
  uint64_t bad = 0;
  uint64_t total = 0;
};

// `capacity` counts the readable bytes from line[0] on; SIMDJSON_PADDING of them lie behind the
// line.
void ReadFields(parser& json, const char* line, size_t length, size_t capacity, Sum& sum) {
  document doc;
  int64_t ts = 0;
  std::string_view type;
  std::string_view account;
  double amount = 0;
  if (json.iterate(simdjson::padded_string_view(line, length, capacity)).get(doc) ||
      doc["ts"].get(ts) || doc["type"].get(type) || doc["account"].get(account) ||
      doc["amount"].get(amount)) {
    ++sum.bad;
    return;
  }
  sum.total += static_cast<uint64_t>(ts) + type.size() +
               static_cast<unsigned char>(account.back()) + static_cast<uint64_t>(amount * 100);
}

bool ReadFile(int file, bool parse, Sum& sum) {
  constexpr size_t kRead = 1 << 20;
  std::vector<char> buffer(2 * kRead + simdjson::SIMDJSON_PADDING);
  parser json;
  size_t kept = 0;  // an unfinished line at the buffer's start
  for (;;) {
    const ssize_t got = read(file, buffer.data() + kept, kRead);
    if (got < 0) return false;
    if (got == 0) return kept == 0;
    const size_t end = kept + static_cast<size_t>(got);
    const char* at = buffer.data();
    const char* const stop = buffer.data() + end;
    while (const void* newline = memchr(at, '\n', static_cast<size_t>(stop - at))) {
      const auto* line_end = static_cast<const char*>(newline);
      const auto length = static_cast<size_t>(line_end - at);
      ++sum.lines;
      if (parse) {
        ReadFields(json, at, length, buffer.size() - static_cast<size_t>(at - buffer.data()), sum);
      } else {
        sum.total += length;
      }
      at = line_end + 1;
    }
    kept = static_cast<size_t>(stop - at);
    if (kept > kRead) return false;  // a line of over 1 MiB
    memmove(buffer.data(), at, kept);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc == 3 ? argv[1] : "";
  if (mode != "split" && mode != "fields") {
    std::fprintf(stderr, "usage: vigil_bench_yardstick split|fields FILE\n");
    return 2;
  }
  const int file = open(argv[2], O_RDONLY | O_CLOEXEC);
  Sum sum;
  if (file < 0 || !ReadFile(file, mode == "fields", sum)) {
    std::fprintf(stderr, "vigil_bench_yardstick: cannot read %s\n", argv[2]);
    return 3;
  }
  close(file);
  std::printf("{\"lines\":%llu,\"bad\":%llu,\"sum\":%llu}\n",
              static_cast<unsigned long long>(sum.lines), static_cast<unsigned long long>(sum.bad),
              static_cast<unsigned long long>(sum.total));
  return sum.bad == 0 ? 0 : 1;
}
