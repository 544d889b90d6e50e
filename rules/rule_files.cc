#include "rules/rule_files.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

namespace vigil::rules {
namespace {

namespace fs = std::filesystem;

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

// The rule files below a folder, in bytewise order.
std::vector<std::string> ListFolder(const std::string& folder, Reporter* reporter) {
  std::vector<std::string> files;
  std::error_code error;
  fs::recursive_directory_iterator it(folder, error);
  while (!error && it != fs::recursive_directory_iterator()) {
    std::error_code ignored;  // of a broken link, which is no rule file
    if (it->is_regular_file(ignored) && IsRuleFileName(it->path().filename().string())) {
      files.push_back(it->path().string());
    }
    it.increment(error);
  }
  if (error) {
    reporter->ReportFile(Code::kCannotRead, folder,
                         "the folder cannot be read: " + error.message());
  } else if (files.empty()) {
    reporter->ReportFile(Code::kNoRules, folder, "there are no rule files in this folder",
                         "they end in .yaml, .yml or .json; *.test.yaml are tests");
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

bool IsRuleFileName(std::string_view name) {
  if (EndsWith(name, ".test.yaml") || EndsWith(name, ".test.yml")) return false;
  return EndsWith(name, ".yaml") || EndsWith(name, ".yml") || EndsWith(name, ".json");
}

std::vector<std::string> FindRuleFiles(const std::vector<std::string>& paths, Reporter* reporter) {
  std::vector<std::string> files;
  // A mounted Kubernetes ConfigMap shows each file twice, once through a link.
  std::set<std::string> seen;
  const auto add = [&](const std::string& file) {
    std::error_code error;
    const fs::path canonical = fs::canonical(file, error);
    if (error || seen.insert(canonical.string()).second) files.push_back(file);
  };
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      add(path);
      continue;
    }
    for (const std::string& file : ListFolder(path, reporter)) add(file);
  }
  return files;
}

}  // namespace vigil::rules
