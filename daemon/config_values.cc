#include "daemon/config_values.h"

#include <charconv>
#include <filesystem>

#include "rules/cel/compile.h"
#include "rules/issue_places.h"

namespace vigil::daemon {
namespace {

using rules::Code;
using rules::Node;
using rules::SectionReader;

struct SizeUnit {
  std::string_view name;
  uint64_t bytes;
};
constexpr SizeUnit kSizeUnits[] = {
    {"KiB", uint64_t{1} << 10},
    {"MiB", uint64_t{1} << 20},
    {"GiB", uint64_t{1} << 30},
    {"TiB", uint64_t{1} << 40},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
    {"B", 1},
};
constexpr uint64_t kMaxBytes = uint64_t{1} << 50;

// True if all of `text` is a number, which goes to `out`.
template <typename Number>
bool ParseNumber(std::string_view text, Number* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseAddress(std::string_view text, ListenConfig* out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !ParseNumber(text.substr(colon + 1), &out->port)) {
    return false;
  }
  std::string_view host = text.substr(0, colon);
  // The colons of an IPv6 address are told from the port's by brackets.
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find_first_of(":[]") != std::string_view::npos) {
    return false;
  }
  out->host = std::string(host);
  return !host.empty() && host.find_first_of(" \t/@") == std::string_view::npos;
}

bool ParseBytes(std::string_view text, uint64_t* out) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  for (const SizeUnit& unit : kSizeUnits) {
    if (text.substr(digits) != unit.name) continue;
    if (!ParseNumber(text.substr(0, digits), out)) return false;
    if (*out == 0 || *out > kMaxBytes / unit.bytes) return false;
    *out *= unit.bytes;
    return true;
  }
  return false;
}

void ReportMalformed(const SectionReader& section, std::string_view key, const Node& value,
                     const std::string& what, std::string hint) {
  section.reporter().Report(
      Code::kMalformed, section.PlaceOf(value),
      rules::ShownValue(value) + " is not " + what + " for `" + std::string(key) + "`",
      std::move(hint));
}

}  // namespace

SectionReader Inner(ConfigSection section, const SectionReader& outer, const Node& node) {
  return {ConfigLanguage(), section, outer.source(), node, &outer.reporter()};
}

std::string ResolvePath(const std::string& folder, std::string_view path) {
  return (std::filesystem::path(folder) / std::filesystem::path(path)).string();
}

void CheckName(const SectionReader& section, const Node& name, std::string_view what) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  if (!name.value.empty() && name.value.find_first_not_of(kAllowed) == std::string_view::npos) {
    return;
  }
  section.reporter().Report(Code::kMalformed, section.PlaceOf(name),
                            rules::ShownValue(name) + " cannot name a " + std::string(what),
                            "letters, digits, `_`, `.` and `-`");
}

std::optional<ListenConfig> ReadAddress(const SectionReader& section, std::string_view key) {
  const Node* value = section.Get(key);
  if (value == nullptr) return std::nullopt;
  ListenConfig address;
  if (ParseAddress(value->value, &address)) return address;
  ReportMalformed(section, key, *value, "an address",
                  "such as `127.0.0.1:8080` or `[::1]:8080`; ports are 0 to 65535");
  return std::nullopt;
}

std::optional<uint64_t> ReadBytes(const SectionReader& section, std::string_view key) {
  const Node* value = section.Get(key);
  if (value == nullptr) return std::nullopt;
  uint64_t bytes = 0;
  if (ParseBytes(value->value, &bytes)) return bytes;
  ReportMalformed(section, key, *value, "a size", "such as `512MiB` or `4GiB`, up to 1024TiB");
  return std::nullopt;
}

std::string ReadBrokers(const SectionReader& section) {
  const Node* value = section.Get("brokers");
  if (value == nullptr) return "";
  for (std::string_view rest = value->value;;) {
    const size_t comma = rest.find(',');
    std::string_view one = rest.substr(0, comma);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    ListenConfig broker;
    if (!ParseAddress(one, &broker) || broker.port == 0) {
      ReportMalformed(section, "brokers", *value, "a list of addresses",
                      "such as `kafka-1:9092,kafka-2:9092`");
      return "";
    }
    if (comma == std::string_view::npos) return std::string(value->value);
    rest.remove_prefix(comma + 1);
  }
}

std::map<std::string, std::string> ReadProperties(const SectionReader& section) {
  std::map<std::string, std::string> properties;
  const Node* node = section.Get("properties");
  for (size_t i = 0; node != nullptr && i < node->entries(); ++i) {
    const Node& key = node->key(i);
    const Node& value = node->entry(i);
    if (!key.is_scalar() || value.is_reported) continue;
    if (value.is_scalar() && !value.is_null()) {
      properties.emplace(key.value, value.value);
      continue;
    }
    section.reporter().Report(Code::kWrongKind, section.PlaceOf(value.is_null() ? key : value),
                              "the property `" + std::string(key.value) +
                                  "` takes a single value, this is " +
                                  std::string(DescribeKind(value)));
  }
  return properties;
}

ExpressionConfig ReadExpression(const SectionReader& section, std::string_view key) {
  const Node* value = section.Get(key);
  if (value == nullptr) return {};
  const cep::Schema schema;
  rules::cel::Environment environment;
  environment.schema = &schema;
  const rules::cel::Compiled compiled = rules::cel::CompileValue(value->value, environment);
  if (compiled.ok) return {std::string(value->value), value};
  if (value->is_hidden) {
    ReportMalformed(section, key, *value, "an expression", "it is CEL, as in rules");
  } else {
    rules::IssueReporter({}, &section.reporter())
        .Report(compiled.issues, {&section.source(), value, value->value, 0});
  }
  return {};
}

std::string ReadText(const SectionReader& section, std::string_view key) {
  const std::string text = section.Text(key).value_or("");
  if (text.empty() && section.Get(key) != nullptr) {
    section.reporter().Report(Code::kWrongKind, section.PlaceOfValue(key),
                              "`" + std::string(key) + "` takes text, this is empty");
  }
  return text;
}

}  // namespace vigil::daemon
