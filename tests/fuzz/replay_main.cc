// Runs a fuzz target without libFuzzer: on corpus files as they are, then on mutations of them.
//
// Usage: fuzz_NAME [--mutations N] FILE|FOLDER...
// Linked with one tests/fuzz/X.cc wherever g++ builds the tests. Deterministic: files in sorted
// order, mutations from a fixed seed, each input at most kMaxInput bytes. When the target dies, the
// input that killed it is left in fuzz-failure-PID and named on standard error; under the fuzz
// preset the same file reproduces it. Exit code: 0 fine, 2 usage, 3 a file could not be read.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <signal.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

constexpr std::size_t kMaxInput = 64 * 1024;
constexpr int kDefaultMutations = 4000;
constexpr std::uint64_t kSeed = 0x5eed5eed5eed5eedULL;

// What a parser's state machine tends to trip over, whatever the format.
constexpr const char* kTokens[] = {"{",           "}",
                                   "[",           "]",
                                   "\"",          "\\",
                                   "\\u",         ",",
                                   ":",           "\n",
                                   "- ",          "#",
                                   "&a ",         "*a",
                                   "null",        "true",
                                   "1e99",        "-1",
                                   "((",          "))",
                                   "'",           "||",
                                   "\xff",        "\xc3",
                                   "%",           "\r\n",
                                   "? ",          "|\n",
                                   "0x7f",        "9223372036854775808",
                                   "\t",          "<<",
                                   "!!",          "\xef\xbb\xbf",
                                   "---\n",       "...",
                                   "${",          "in ",
                                   "\xed\xa0\x80"};

// The input now being run, for the handlers below.
const Bytes* current_input = nullptr;

// xorshift64*: the standard engines would do, but their distributions differ between libraries.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }
  // In [0, bound); 0 for bound 0.
  std::size_t Below(std::size_t bound) {
    return bound == 0 ? 0 : static_cast<std::size_t>((Next() >> 16) % bound);
  }

 private:
  std::uint64_t state_;
};

// Async-signal-safe but for snprintf, which does not allocate for these arguments.
void SaveCurrentInput() {
  if (current_input == nullptr) return;
  char name[64];
  const int length =
      std::snprintf(name, sizeof name, "fuzz-failure-%d", static_cast<int>(getpid()));
  const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return;
  ssize_t done = write(file, current_input->data(), current_input->size());
  close(file);
  current_input = nullptr;
  done = write(STDERR_FILENO, "the failing input is in ", 24);
  done = write(STDERR_FILENO, name, static_cast<std::size_t>(length));
  done = write(STDERR_FILENO, "\n", 1);
  (void)done;
}

void OnFatalSignal(int number) {
  SaveCurrentInput();
  signal(number, SIG_DFL);
  raise(number);
}

void SaveInputOnDeath() {
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(SaveCurrentInput);
  }
  for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    signal(number, OnFatalSignal);
  }
}

void RunOne(const Bytes& input) {
  // A copy of exact size on the heap, so that a read past the end is one the sanitizers see.
  const Bytes exact(input.begin(), input.end());
  current_input = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  current_input = nullptr;
}

// One small change to `input`, or a splice with another corpus file.
void MutateOnce(const std::vector<Bytes>& corpus, Random& random, Bytes& input) {
  const auto at = [&](std::size_t offset) {
    return input.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  const std::size_t position = random.Below(input.size() + 1);
  switch (random.Below(7)) {
    case 0:  // flip a bit
      if (position < input.size()) {
        input[position] ^= static_cast<std::uint8_t>(1U << random.Below(8));
      }
      break;
    case 1:  // set a byte
      if (position < input.size()) input[position] = static_cast<std::uint8_t>(random.Next());
      break;
    case 2: {  // insert a token
      const char* token = kTokens[random.Below(std::size(kTokens))];
      input.insert(at(position), token, token + std::strlen(token));
      break;
    }
    case 3: {  // drop a range
      const std::size_t length =
          random.Below(std::min<std::size_t>(input.size() - position, 32) + 1);
      input.erase(at(position), at(position + length));
      break;
    }
    case 4: {  // repeat a range
      const std::size_t length =
          random.Below(std::min<std::size_t>(input.size() - position, 64) + 1);
      const Bytes range(at(position), at(position + length));
      for (std::size_t times = random.Below(8); times > 0; --times) {
        input.insert(at(position), range.begin(), range.end());
      }
      break;
    }
    case 5:  // end early
      input.resize(position);
      break;
    default: {  // go on as another file does
      const Bytes& other = corpus[random.Below(corpus.size())];
      const std::size_t from = random.Below(other.size() + 1);
      input.resize(position);
      input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      break;
    }
  }
  if (input.size() > kMaxInput) input.resize(kMaxInput);
}

// Appends the file, or the files below the folder, to `paths`. False if there is no such thing.
bool CollectPaths(const fs::path& root, std::vector<fs::path>& paths) {
  std::error_code error;
  if (fs::is_regular_file(root, error)) {
    paths.push_back(root);
    return true;
  }
  if (!fs::is_directory(root, error)) return false;
  for (auto it = fs::recursive_directory_iterator(root, error);
       !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it->is_regular_file(error)) paths.push_back(it->path());
  }
  return !error;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  int mutations = kDefaultMutations;
  std::vector<fs::path> paths;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--mutations" && i + 1 < argc) {
      mutations = std::atoi(argv[++i]);
    } else if (!CollectPaths(argument, paths)) {
      std::fprintf(stderr, "%s: no such file or folder: %s\n", argv[0], argument.c_str());
      return 3;
    }
  }
  if (paths.empty()) {
    std::fprintf(stderr, "usage: %s [--mutations N] FILE|FOLDER...\n", argv[0]);
    return 2;
  }
  std::sort(paths.begin(), paths.end());

  SaveInputOnDeath();
  std::vector<Bytes> corpus;
  for (const fs::path& path : paths) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "%s: cannot read %s\n", argv[0], path.c_str());
      return 3;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    RunOne(corpus.back());
  }
  RunOne({});

  Random random(kSeed);
  Bytes input;
  for (int i = 0; i < mutations; ++i) {
    input = corpus[static_cast<std::size_t>(i) % corpus.size()];
    if (input.size() > kMaxInput) input.resize(kMaxInput);
    for (std::size_t changes = 1 + random.Below(6); changes > 0; --changes) {
      MutateOnce(corpus, random, input);
    }
    RunOne(input);
  }
  std::printf("%zu files and %d mutations ran\n", corpus.size(), mutations);
  return 0;
}
