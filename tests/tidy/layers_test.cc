// Holds the layer picture: an include goes down or stays in its room; rooms side by side never
// meet.
//
// Reads the #include lines of every *.h and *.cc of the product. The rules are the two tables
// below: kLayers (which folder may include which) and kHeaderSeams (which third-party headers are
// too slow to parse, or too invasive, to stand in a header). docs/ARCHITECTURE.md tells the
// reasons.

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

namespace {

namespace fs = std::filesystem;

// One folder of the product. A file belongs to the longest folder that holds it, an include
// likewise. An included folder is allowed when it lies in the includer's own one or in one of
// `may_include`.
struct Layer {
  std::string_view folder;
  std::vector<std::string_view> may_include;
  std::string_view rule;  // what a violation is told
};

const std::vector<Layer>& Layers() {
  static const std::vector<Layer> kLayers = {
      // Level 1: cep, from the bottom; io beside it.
      {"cep/base", {}, "cep/base includes nothing of ours"},
      {"cep/event", {"cep/base"}, "cep/event -> cep/base"},
      {"cep/time", {"cep/event", "cep/base"}, "cep/time -> cep/event, cep/base"},
      {"cep/runtime",
       {"cep/time", "cep/event", "cep/base"},
       "cep/runtime -> cep/time, cep/event, cep/base"},
      {"cep/operators",
       {"cep/runtime", "cep/time", "cep/event", "cep/base"},
       "cep/operators -> cep/runtime, cep/time, cep/event, cep/base"},
      {"io", {"cep/base"}, "io -> cep/base"},
      {"proto", {}, "proto includes nothing of ours"},
      // Level 2: side by side.
      {"patterns", {"cep"}, "patterns -> cep"},
      {"state", {"cep", "io", "proto"}, "state -> cep, io"},
      {"ingest", {"cep", "io", "proto"}, "ingest -> cep, io"},
      {"alerts", {"cep", "io", "proto"}, "alerts -> cep, io"},
      // Level 3.
      {"rules/cel", {"cep/event", "cep/base"}, "rules/cel -> cep/event, cep/base"},
      {"rules",
       {"patterns", "alerts", "cep", "io", "rules/cel", "proto"},
       "rules -> patterns, alerts, cep, io"},
      // Level 4: wires everything; nothing includes it.
      {"daemon",
       {"rules", "rules/cel", "patterns", "state", "ingest", "alerts", "cep", "io", "proto"},
       "daemon -> everything but cmd"},
      {"cmd",
       {"daemon", "rules", "rules/cel", "patterns", "state", "ingest", "alerts", "cep", "io",
        "proto"},
       "cmd -> everything"},
  };
  return kLayers;
}

// Third-party headers that stay inside .cc files, but for the one door named.
struct HeaderSeam {
  std::string_view prefix;  // of an <include>
  std::string_view door;    // the header that may include it, if any
  std::string_view rule;
};

constexpr std::array kHeaderSeams = {
    HeaderSeam{"boost/asio", "io/asio.h", "Asio is included through io/asio.h"},
    HeaderSeam{"boost/beast", "", "Beast stays inside .cc files"},
    HeaderSeam{"rocksdb/", "", "RocksDB stays inside .cc files"},
    HeaderSeam{"yaml-cpp/", "", "yaml-cpp stays inside .cc files"},
};

struct Violation {
  std::string file;
  int line = 0;
  std::string include;
  std::string rule;

  std::string ToString() const {
    return file + ":" + std::to_string(line) + ": #include " + include + ": " + rule;
  }
};

bool IsWithin(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.substr(0, folder.size()) == folder &&
         path[folder.size()] == '/';
}

// The longest layer that holds the file, or null.
const Layer* LayerOf(std::string_view path) {
  const Layer* best = nullptr;
  for (const Layer& layer : Layers()) {
    if (!IsWithin(path, layer.folder)) continue;
    if (best == nullptr || layer.folder.size() > best->folder.size()) best = &layer;
  }
  return best;
}

bool MayInclude(const Layer& from, std::string_view included) {
  const Layer* to = LayerOf(included);
  // A file right below cep/ is in no layer: the folders of cep are the layers.
  if (to == nullptr) return false;
  if (to->folder == from.folder) return true;
  return std::any_of(
      from.may_include.begin(), from.may_include.end(), [&](std::string_view allowed) {
        // "rules" does not stand for "rules/cel" (a layer of its own), but "cep" stands for all of
        // cep.
        return to->folder == allowed || (allowed == "cep" && IsWithin(to->folder, allowed));
      });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

// What an #include line names, with its quotes or angle brackets; nothing for any other line.
std::optional<std::string_view> ParseInclude(std::string_view line) {
  line = Trim(line);
  if (line.empty() || line.front() != '#') return std::nullopt;
  line = Trim(line.substr(1));
  constexpr std::string_view kWord = "include";
  if (line.substr(0, kWord.size()) != kWord) return std::nullopt;
  line = Trim(line.substr(kWord.size()));
  if (line.empty() || (line.front() != '"' && line.front() != '<')) return std::nullopt;
  const std::size_t end = line.find(line.front() == '"' ? '"' : '>', 1);
  if (end == std::string_view::npos) return std::nullopt;
  return line.substr(0, end + 1);
}

// The rule that `include` (with its delimiters) breaks in `file`, or nothing.
std::optional<std::string> BrokenRule(std::string_view file, std::string_view include) {
  const std::string_view name = include.substr(1, include.size() - 2);
  if (include.front() == '<') {
    if (file.substr(file.size() - 2) != ".h") return std::nullopt;
    for (const HeaderSeam& seam : kHeaderSeams) {
      if (name.substr(0, seam.prefix.size()) == seam.prefix && file != seam.door) {
        return std::string(seam.rule);
      }
    }
    return std::nullopt;
  }
  const Layer* from = LayerOf(file);
  if (from == nullptr) return "the file is in no layer: give its folder a row in kLayers";
  if (IsWithin(name, "tests") || IsWithin(name, "bench")) return "the product never includes tests";
  if (LayerOf(name) == nullptr) {
    return "own includes start at the repository root and name a layer's file";
  }
  if (!MayInclude(*from, name)) return std::string(from->rule);
  return std::nullopt;
}

std::vector<Violation> CheckText(const std::string& file, std::istream& text) {
  std::vector<Violation> found;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    const std::optional<std::string_view> include = ParseInclude(line);
    if (!include) continue;
    if (std::optional<std::string> rule = BrokenRule(file, *include)) {
      found.push_back({file, number, std::string(*include), *std::move(rule)});
    }
  }
  return found;
}

std::vector<Violation> CheckText(const std::string& file, const std::string& text) {
  std::istringstream stream(text);
  return CheckText(file, stream);
}

// Sources below the product's top folders, relative to the repository root, sorted.
std::vector<std::string> ProductFiles(const fs::path& root) {
  std::set<std::string> tops;
  for (const Layer& layer : Layers()) {
    tops.insert(std::string(layer.folder.substr(0, layer.folder.find('/'))));
  }
  std::vector<std::string> files;
  for (const std::string& top : tops) {
    if (!fs::is_directory(root / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / top)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".h" || extension == ".cc") {
        files.push_back(fs::relative(entry.path(), root).generic_string());
      }
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("Layers: every include of the product goes down or stays in its room", "[tidy][unit]") {
  const fs::path root = VIGIL_REPO_ROOT;
  std::string report;
  for (const std::string& file : ProductFiles(root)) {
    std::ifstream text(root / file);
    for (const Violation& violation : CheckText(file, text)) report += violation.ToString() + "\n";
  }
  INFO(report);
  CHECK(report.empty());
}

TEST_CASE("Layers: the checker allows what the picture allows", "[tidy][unit]") {
  const auto [file, include] = GENERATE(table<std::string, std::string>({
      {"cep/base/status.cc", "\"cep/base/status.h\""},
      {"cep/operators/filter.cc", "\"cep/runtime/operator.h\""},
      {"cep/time/watermark.h", "\"cep/base/check.h\""},
      {"io/http_server.cc", "\"cep/base/status.h\""},
      {"io/http_server.cc", "<boost/beast/http.hpp>"},
      {"io/asio.h", "<boost/asio/io_context.hpp>"},
      {"state/rocksdb_backend.cc", "<rocksdb/db.h>"},
      {"state/commit_log.cc", "\"proto/checkpoint.pb.h\""},
      {"patterns/matcher.h", "\"cep/event/match.h\""},
      {"rules/cel/eval.cc", "\"cep/event/value.h\""},
      {"rules/compile.cc", "\"rules/cel/program.h\""},
      {"rules/compile.cc", "\"patterns/compile.h\""},
      {"daemon/topology.cc", "\"rules/cel/program.h\""},
      {"daemon/topology.cc", "\"ingest/source_kafka.h\""},
      {"cmd/run.cc", "\"daemon/lifecycle.h\""},
      {"patterns/matcher.h", "<vector>"},
  }));
  INFO(file << " includes " << include);
  CHECK(CheckText(file, "#include " + include + "\n").empty());
}

TEST_CASE("Layers: the checker finds each kind of violation", "[tidy][unit]") {
  const auto [file, include, rule] = GENERATE(table<std::string, std::string, std::string>({
      {"cep/base/status.h", "\"cep/event/value.h\"", "cep/base includes nothing of ours"},
      {"cep/event/batch.h", "\"cep/time/watermark.h\"", "cep/event -> cep/base"},
      {"cep/time/timer_queue.cc", "\"cep/runtime/task.h\"", "cep/time -> cep/event, cep/base"},
      {"cep/runtime/job.cc", "\"cep/operators/map.h\"", "cep/runtime -> "},
      {"io/kafka_client.cc", "\"cep/event/event.h\"", "io -> cep/base"},
      {"patterns/matcher.cc", "\"io/asio.h\"", "patterns -> cep"},
      {"patterns/matcher.cc", "\"state/ttl.h\"", "patterns -> cep"},
      {"ingest/codec.h", "\"alerts/alert.h\"", "ingest -> cep, io"},
      {"alerts/router.cc", "\"rules/rule.h\"", "alerts -> cep, io"},
      {"rules/cel/eval.cc", "\"cep/time/timestamp.h\"", "rules/cel -> cep/event, cep/base"},
      {"rules/cel/eval.cc", "\"rules/rule.h\"", "rules/cel -> cep/event, cep/base"},
      {"rules/compile.cc", "\"ingest/codec.h\"", "rules -> "},
      {"rules/compile.cc", "\"daemon/config.h\"", "rules -> "},
      {"daemon/topology.cc", "\"cmd/run.h\"", "daemon -> everything but cmd"},
      {"cep/event/value.cc", "\"value.h\"", "start at the repository root"},
      {"cep/event/value.cc", "\"../base/check.h\"", "start at the repository root"},
      {"cep/event/value.cc", "\"absl/status/status.h\"", "start at the repository root"},
      {"patterns/matcher.cc", "\"tests/support/builders.h\"", "never includes tests"},
      {"cep/loose.cc", "\"cep/base/check.h\"", "in no layer"},
      {"io/http_server.h", "<boost/asio/ip/tcp.hpp>", "io/asio.h"},
      {"state/rocksdb_backend.h", "<rocksdb/db.h>", "stays inside .cc"},
      {"daemon/config.h", "<yaml-cpp/yaml.h>", "stays inside .cc"},
  }));
  INFO(file << " includes " << include);
  const std::vector<Violation> found =
      CheckText(file, "// First.\n\n  #  include " + include + "\n");
  REQUIRE(found.size() == 1);
  CHECK(found[0].line == 3);
  CHECK_THAT(found[0].rule, Catch::Contains(rule));
  CHECK_THAT(found[0].ToString(), Catch::StartsWith(file + ":3: #include " + include + ": "));
}

TEST_CASE("Layers: a comment or a string is no include", "[tidy][unit]") {
  CHECK(CheckText("cep/base/a.cc", "// #include \"cmd/run.h\"\nauto x = \"#include <a>\";\n")
            .empty());
  CHECK(
      CheckText("cep/base/a.cc", "#define include \"cmd/run.h\"\n#includes \n#include\n").empty());
}
