#include "daemon/rule_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/strings/str_cat.h>
#include <simdjson.h>

#include "alerts/json_writer.h"
#include "alerts/utf8.h"
#include "io/durable_file.h"
#include "rules/rule_files.h"

namespace vigil::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStagedName = ".vigil-edit.json";
constexpr size_t kMaxStagedBytes = size_t{64} << 20;

std::string FolderOf(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string EditJson(const RuleEdit& edit) {
  std::string json = "{\"write\":[";
  for (size_t i = 0; i < edit.write.size(); ++i) {
    json += i > 0 ? ",{\"file\":" : "{\"file\":";
    alerts::AppendJsonString(fs::absolute(edit.write[i].name).string(), &json);
    json += ",\"text\":";
    alerts::AppendJsonString(edit.write[i].text, &json);
    json += '}';
  }
  json += "],\"remove\":[";
  for (size_t i = 0; i < edit.remove.size(); ++i) {
    if (i > 0) json += ',';
    alerts::AppendJsonString(fs::absolute(edit.remove[i]).string(), &json);
  }
  return json + "]}\n";
}

StatusOr<RuleEdit> ParseEdit(const std::string& json) {
  RuleEdit edit;
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  simdjson::dom::array write;
  simdjson::dom::array remove;
  const Status damaged = absl::DataLossError("it is no edit that was written here");
  if (parser.parse(json).get(root) != simdjson::SUCCESS ||
      root["write"].get(write) != simdjson::SUCCESS ||
      root["remove"].get(remove) != simdjson::SUCCESS) {
    return damaged;
  }
  for (const simdjson::dom::element entry : write) {
    std::string_view file;
    std::string_view text;
    if (entry["file"].get(file) != simdjson::SUCCESS ||
        entry["text"].get(text) != simdjson::SUCCESS) {
      return damaged;
    }
    edit.write.push_back({std::string(file), std::string(text)});
  }
  for (const simdjson::dom::element entry : remove) {
    std::string_view file;
    if (entry.get(file) != simdjson::SUCCESS) return damaged;
    edit.remove.emplace_back(file);
  }
  return edit;
}

// Where a link leads, since what is behind it is to change, not the link.
std::string BehindLinks(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? path : real.string();
}

Status RemoveFile(const std::string& path) {
  std::error_code error;
  if (!fs::remove(path, error) && !error) return absl::OkStatus();  // it was gone
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  return io::SyncFolder(FolderOf(path));
}

}  // namespace

StatusOr<std::unique_ptr<RuleFiles>> RuleFiles::Create(std::vector<std::string> paths) {
  ASSIGN_OR_RETURN(std::unique_ptr<io::FileWatch> watch, io::FileWatch::Create());
  return std::unique_ptr<RuleFiles>(new RuleFiles(std::move(paths), std::move(watch)));
}

RuleFiles::RuleFiles(std::vector<std::string> paths, std::unique_ptr<io::FileWatch> watch)
    : paths_(std::move(paths)), watch_(std::move(watch)) {
  for (const std::string& path : paths_) {
    std::error_code error;
    if (folder_.empty() && fs::is_directory(path, error)) folder_ = path;
  }
  staged_ = (fs::path(folder_.empty() ? FolderOf(paths_.front()) : folder_) / kStagedName).string();
}

rules::RuleTexts RuleFiles::Read() {
  const Status finished = Finish();
  rules::RuleTexts read = rules::ReadRuleTexts(paths_);
  if (!finished.ok()) {
    rules::Reporter reporter;
    reporter.ReportFile(rules::Code::kCannotRead, staged_,
                        "an edit over HTTP that was accepted cannot be brought to its place: " +
                            std::string(finished.message()));
    for (rules::Diagnostic& d : reporter.Take()) read.diagnostics.push_back(std::move(d));
  }
  return read;
}

RuleStore::Change RuleFiles::Wait(int limit_ms) {
  switch (watch_->Wait(limit_ms)) {
    case io::FileWatch::Outcome::kChanged:
      return Change::kKept;
    case io::FileWatch::Outcome::kWoken:
      return Change::kWoken;
    case io::FileWatch::Outcome::kQuiet:
      break;
  }
  return Change::kNone;
}

// Whether `rules` stands for this file, if it is there.
bool RuleFiles::IsOurs(const std::string& path) const {
  const fs::path file = fs::absolute(path).lexically_normal();
  if (!rules::IsRuleFileName(file.filename().string())) return false;
  return std::any_of(paths_.begin(), paths_.end(), [&file](const std::string& given) {
    const fs::path ours = fs::absolute(given).lexically_normal();
    if (file == ours) return true;
    std::error_code error;
    if (!fs::is_directory(ours, error)) return false;
    const fs::path below = file.lexically_relative(ours);
    return !below.empty() && *below.begin() != ".." && *below.begin() != ".";
  });
}

StatusOr<std::string> RuleFiles::FileFor(std::string_view name) const {
  const fs::path given{std::string(name)};
  if (name.empty() || name.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("a rule file needs a name");
  }
  if (given.is_relative() && folder_.empty()) {
    return absl::FailedPreconditionError(
        "the configuration's `rules` names no folder, so there is no place for a new file");
  }
  const std::string path = (given.is_relative() ? fs::path(folder_) / given : given).string();
  if (!IsOurs(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", path, "` is no rule file of this job: below ",
                     folder_.empty() ? paths_.front() : folder_,
                     ", ending in .yaml, .yml or .json, not in .test.yaml"));
  }
  return path;
}

Status RuleFiles::Stage(const RuleEdit& edit) {
  for (const rules::NamedText& file : edit.write) {
    if (!alerts::IsUtf8(file.name)) {
      return absl::FailedPreconditionError("a rule file whose name is not UTF-8 cannot be edited");
    }
  }
  const std::string json = EditJson(edit);
  if (json.size() > kMaxStagedBytes) {
    return absl::ResourceExhaustedError("the edit is longer than 64 MiB");
  }
  return io::WriteFileDurably(staged_, json);
}

Status RuleFiles::Finish() {
  const StatusOr<std::string> json = io::ReadSmallFile(staged_, kMaxStagedBytes);
  if (absl::IsNotFound(json.status())) return absl::OkStatus();
  RETURN_IF_ERROR(json.status());
  ASSIGN_OR_RETURN(const RuleEdit edit, ParseEdit(*json));
  for (const rules::NamedText& file : edit.write) {
    if (!IsOurs(file.name)) return absl::DataLossError(file.name + " is no rule file of this job");
  }
  for (const std::string& file : edit.remove) {
    if (!IsOurs(file)) return absl::DataLossError(file + " is no rule file of this job");
  }
  for (const rules::NamedText& file : edit.write) {
    std::error_code error;
    fs::create_directories(FolderOf(file.name), error);
    if (error) return absl::UnavailableError(absl::StrCat(file.name, ": ", error.message()));
    RETURN_IF_ERROR(io::WriteFileDurably(BehindLinks(file.name), file.text));
  }
  for (const std::string& file : edit.remove) RETURN_IF_ERROR(RemoveFile(file));
  return Drop();
}

Status RuleFiles::Drop() { return RemoveFile(staged_); }

}  // namespace vigil::daemon
