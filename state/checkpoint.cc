#include "state/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include <absl/strings/numbers.h>
#include <absl/strings/str_format.h>

#include "io/durable_file.h"

namespace vigil::state {
namespace {

namespace fs = std::filesystem;

Status Failed(const std::string& path, const std::error_code& error) {
  const std::string message = path + ": " + error.message();
  if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
  return absl::UnavailableError(message);
}

std::string Folder(const std::string& state_path) { return state_path + "/checkpoints"; }

// Renamed first, so that one that is half removed is not taken for a whole one.
Status Remove(const std::string& path) {
  std::error_code error;
  fs::rename(path, path + ".old", error);
  if (!error) fs::remove_all(path + ".old", error);
  return error ? Failed(path, error) : absl::OkStatus();
}

// What a crash left of making or removing one.
Status RemoveLeftovers(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string extension = entry->path().extension();
    if (extension == ".new" || extension == ".old") leftovers.push_back(entry->path());
  }
  for (const fs::path& path : leftovers) {
    if (!error) fs::remove_all(path, error);
  }
  return error ? Failed(folder, error) : absl::OkStatus();
}

Status LinkOrCopyFile(const fs::path& from, const fs::path& to) {
  std::error_code error;
  // Only sorted files, and those of chunks in a checkpoint, never change.
  if (from.extension() == ".sst" || from.extension() == ".chunks") {
    fs::create_hard_link(from, to, error);
    if (!error) return absl::OkStatus();
  }
  fs::copy_file(from, to, error);
  if (error) return Failed(to, error);
  return io::SyncFile(to);
}

// All files of a folder.
Status LinkOrCopy(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_directory(to, error);
  if (error) return Failed(to, error);
  for (fs::directory_iterator entry(from, error), end; !error && entry != end;
       entry.increment(error)) {
    RETURN_IF_ERROR(LinkOrCopyFile(entry->path(), fs::path(to) / entry->path().filename()));
  }
  if (error) return Failed(from, error);
  return io::SyncFolder(to);
}

}  // namespace

StatusOr<std::string> MakeCheckpoint(CommitLog& log, const std::string& state_path, size_t keep) {
  const std::string folder = Folder(state_path);
  std::error_code error;
  fs::create_directory(folder, error);
  if (error) return Failed(folder, error);
  RETURN_IF_ERROR(RemoveLeftovers(folder));
  const std::string path = absl::StrFormat("%s/%020d", folder, log.head().number);
  if (!fs::exists(path, error)) {
    RETURN_IF_ERROR(log.Checkpoint(path + ".new"));
    fs::rename(path + ".new", path, error);
    if (error) return Failed(path, error);
    RETURN_IF_ERROR(io::SyncFolder(folder));
  }
  ASSIGN_OR_RETURN(const std::vector<uint64_t> all, ListCheckpoints(state_path));
  keep = std::max<size_t>(keep, 1);
  for (size_t i = 0; i + keep < all.size(); ++i) {
    RETURN_IF_ERROR(Remove(absl::StrFormat("%s/%020d", folder, all[i])));
  }
  return path;
}

StatusOr<std::vector<uint64_t>> ListCheckpoints(const std::string& state_path) {
  std::vector<uint64_t> commits;
  const std::string folder = Folder(state_path);
  std::error_code error;
  if (!fs::exists(folder, error)) return commits;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    uint64_t commit = 0;
    if (name.size() == 20 && absl::SimpleAtoi(name, &commit)) commits.push_back(commit);
  }
  if (error) return Failed(folder, error);
  std::sort(commits.begin(), commits.end());
  return commits;
}

Status RestoreCheckpoint(const std::string& from, const std::string& to) {
  std::error_code error;
  if (!fs::exists(from + "/FORMAT", error) || !fs::is_directory(from + "/db", error)) {
    return absl::FailedPreconditionError(from + " is not a checkpoint");
  }
  if (fs::exists(to, error) && !fs::is_empty(to, error)) {
    // What an attempt that was cut short left may be replaced, nothing else.
    if (!fs::exists(to + "/CREATING", error) || fs::exists(to + "/FORMAT", error)) {
      return absl::FailedPreconditionError("directory " + to +
                                           " is not empty; name a new one to restore into");
    }
    for (const char* folder : {"/db", "/chunks"}) {
      fs::remove_all(to + folder, error);
      if (error) return Failed(to, error);
    }
  }
  fs::create_directories(to, error);
  if (error) return Failed(to, error);
  RETURN_IF_ERROR(io::WriteFileDurably(to + "/CREATING", ""));
  for (const char* folder : {"/db", "/chunks"}) {
    RETURN_IF_ERROR(LinkOrCopy(from + folder, to + folder));
  }
  ASSIGN_OR_RETURN(const std::string format, io::ReadSmallFile(from + "/FORMAT", 256));
  RETURN_IF_ERROR(io::WriteFileDurably(to + "/FORMAT", format));
  fs::remove(to + "/CREATING", error);
  return absl::OkStatus();
}

}  // namespace vigil::state
