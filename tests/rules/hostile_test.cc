// Files made to hurt: each is refused, within a second and without much memory.

#include <ctime>
#include <functional>
#include <string>
#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "rules/load.h"
#include "rules/yaml_reader.h"
#include "tests/rules/support.h"

namespace vigil::rules {
namespace {

std::string Repeat(const std::string& text, size_t n) {
  std::string out;
  out.reserve(text.size() * n);
  for (size_t i = 0; i < n; ++i) out += text;
  return out;
}

std::string BlockNesting(size_t depth, const std::string& key) {
  std::string out;
  for (size_t i = 0; i < depth; ++i) out += std::string(i, ' ') + key + "\n";
  return out;
}

// Nine lists of nine aliases each: 9^n values.
std::string AliasBomb() {
  std::string out = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    out += name + ": &" + name + " [" + Repeat(before + ", ", 8) + before + "]\n";
  }
  return out;
}

// Depth by aliases: each value holds the one before.
std::string AliasTower(size_t height) {
  std::string out = "a0: &a0 [x]\n";
  for (size_t i = 1; i < height; ++i) {
    out += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
           "]\n";
  }
  return out;
}

struct Hostile {
  std::string name;
  std::string code;
  std::function<std::string()> make;
};

constexpr size_t kDeep = 10000;
constexpr size_t kFull = kMaxFileBytes - 100;

const std::vector<Hostile>& HostileTexts() {
  static const std::vector<Hostile> kTexts = {
      {"deep flow lists", "V0005", [] { return Repeat("[", kDeep); }},
      {"deep flow mappings", "V0005", [] { return Repeat("{a: ", kDeep); }},
      {"deep bare braces", "V0005", [] { return Repeat("{", kDeep); }},
      {"deep dashes", "V0005", [] { return Repeat("- ", kDeep); }},
      {"deep question marks", "V0005", [] { return Repeat("? ", kDeep); }},
      {"deep block mappings", "V0005", [] { return BlockNesting(2000, "a:"); }},
      {"deep block lists", "V0005", [] { return BlockNesting(2000, "-"); }},
      {"16 MiB of brackets", "V0005", [] { return Repeat("[", kFull); }},
      {"16 MiB of braces", "V0005", [] { return Repeat("{", kFull); }},
      {"16 MiB of dashes", "V0005", [] { return Repeat("- ", kFull / 2); }},
      {"deep by aliases", "V0005", [] { return AliasTower(100); }},
      {"alias bomb", "V0006", AliasBomb},
      {"alias cycle", "V0006", [] { return std::string("rules: &a [*a]\n"); }},
      {"alias cycle in a key", "V0006", [] { return std::string("rules: &a {x: {y: *a}}\n"); }},
      {"NUL", "V0003", [] { return std::string("rules: []\n\0", 11); }},
      {"escaped NUL", "V0003", [] { return std::string("rules: \"\\0\"\n"); }},
      {"UTF-16", "V0003", [] { return std::string("\xff\xfer\0u\0", 6); }},
      {"overlong UTF-8", "V0003", [] { return std::string("rules: \xc0\x80\n"); }},
      {"surrogates", "V0003", [] { return std::string("rules: \xed\xa0\x80\n"); }},
      {"many values", "V0010", [] { return "[" + Repeat("1,", kFull / 2) + "1]"; }},
      {"many lines", "V0010", [] { return Repeat("- 1\n", kFull / 4); }},
      {"many keys", "V0010", [] { return Repeat("a: 1\n", kFull / 5); }},
      {"many unknown keys", "V0010",
       [] {
         std::string out = "{";
         for (int i = 0; i < 200000; ++i) out += "k" + std::to_string(i) + ": 1, ";
         return out + "}";
       }},
      {"one long scalar", "V0103", [] { return std::string(kFull, 'a'); }},
      {"one long condition", "V0203",
       [] {
         return "rules: [{rule: a, key: k, pattern: [{begin: x, where: \"" +
                Repeat("a && ", kFull / 5) + "a\"}]}]";
       }},
      {"a condition nested deep", "V0203",
       [] {
         return "rules: [{rule: a, key: k, pattern: [{begin: x, where: \"" + Repeat("(", 20000) +
                "\"}]}]";
       }},
      {"one long key", "V0004", [] { return std::string(100000, 'a') + ": 1\n"; }},
      {"many colons", "V0004", [] { return Repeat("a: ", kFull / 3); }},
      {"many open quotes", "V0004", [] { return Repeat("\"a\" ", kFull / 4); }},
      {"many anchors", "V0010", [] { return "[" + Repeat("&a x,", kFull / 5) + "]"; }},
      {"too large", "V0002", [] { return std::string(kMaxFileBytes + 1, ' '); }},
      {"states", "V0313",
       [] {
         std::string out = "x";
         std::string stage = "{begin: s, times: 10000}";
         for (int i = 0; i < 20; ++i) {
           stage = "{begin: g" + std::to_string(i) + ", times: 10000, group: [" + stage + "]}";
         }
         return "rules: [{rule: a, key: k, within: 1h, pattern: [" + stage + "]}]";
       }},
      {"very many stages", "V0313",
       [] {
         std::string stages = "{begin: s}";
         for (int i = 0; i < 100000; ++i) {
           stages += ", {next: s" + std::to_string(i) + ", where: a > 1}";
         }
         return "rules: [{rule: a, key: k, pattern: [" + stages + "]}]";
       }},
      {"many stages with conditions", "V0210",
       [] {
         std::string stages = "{begin: s}";
         for (int i = 0; i < 10000; ++i) {
           stages += ", {next: s" + std::to_string(i) + ", where: s.a > a}";
         }
         return "rules: [{rule: a, key: k, pattern: [" + stages + ", {next: z, where: z.a > 1}]}]";
       }},
      {"a template of many expressions", "V0010",
       [] {
         return "rules: [{rule: a, key: k, pattern: [{begin: x}], alert: {summary: \"" +
                Repeat("${(} ", 5000) + "\"}}]";
       }},
  };
  return kTexts;
}

size_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<size_t>(usage.ru_maxrss) * 1024;
}

bool HasCode(const std::vector<Diagnostic>& diagnostics, const std::string& code) {
  for (const Diagnostic& d : diagnostics) {
    if (d.code == code) return true;
  }
  return false;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr double kSeconds = 10;  // a slower build
#else
constexpr double kSeconds = 1;
#endif

}  // namespace

TEST_CASE("Hostile texts: refused quickly, with the right code", "[rules][unit]") {
  const auto schema = std::make_shared<const cep::Schema>();
  for (const Hostile& hostile : HostileTexts()) {
    const std::vector<NamedText> texts = {{"hostile", hostile.make()}};
    const std::clock_t begin = std::clock();  // of the processor: the machine may be busy
    const LoadResult result = LoadRuleTexts(texts, schema);
    const double took = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    INFO(hostile.name << ", " << took << " s, " << result.diagnostics.size()
                      << " diagnostics, first: "
                      << (result.diagnostics.empty() ? "" : FormatText(result.diagnostics[0])));
    CHECK(result.rules == nullptr);
    CHECK(HasCode(result.diagnostics, hostile.code));
    CHECK(took < kSeconds);
    for (const Diagnostic& d : result.diagnostics) CHECK(d.excerpt.size() < 1000);
  }
}

TEST_CASE("Hostile files: 100 MB are refused unread", "[rules][unit]") {
  const auto path = std::filesystem::temp_directory_path() / "vigil-hostile-100mb.yaml";
  {
    std::ofstream file(path, std::ios::binary);
    const std::string chunk(1000000, ' ');
    for (int i = 0; i < 100; ++i) file << chunk;
  }
  const size_t before = PeakBytes();
  const LoadResult result = LoadRules({path.string()}, std::make_shared<const cep::Schema>());
  std::filesystem::remove(path);
  CHECK(HasCode(result.diagnostics, "V0002"));
  CHECK(PeakBytes() - before < (50u << 20));
}

TEST_CASE("Hostile files: devices and folders are no files", "[rules][unit]") {
  const auto schema = std::make_shared<const cep::Schema>();
  CHECK(HasCode(LoadRules({"/dev/zero"}, schema).diagnostics, "V0002"));
  CHECK(HasCode(LoadRules({"no/such/file.yaml"}, schema).diagnostics, "V0001"));
  Reporter reporter;
  ReadYamlFile("tests", &reporter);
  CHECK(HasCode(reporter.Take(), "V0001"));
}

}  // namespace vigil::rules
