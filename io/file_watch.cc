#include "io/file_watch.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <poll.h>
#include <set>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

namespace vigil::io {
namespace {

namespace fs = std::filesystem;

constexpr uint32_t kEvents = IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

void AddFolders(const std::string& path, std::set<std::string>* folders) {
  std::error_code error;
  // A link may be turned, a file replaced: both are changes of the folder that it is in.
  const fs::path parent = fs::absolute(path, error).lexically_normal();
  folders->insert(
      (parent.has_filename() ? parent.parent_path() : parent.parent_path().parent_path()).string());
  if (!fs::is_directory(path, error)) {
    const fs::path real = fs::canonical(path, error);
    if (!error) folders->insert(real.parent_path().string());
    return;
  }
  folders->insert(path);
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end;
       it.increment(error)) {
    if (folders->size() >= kMaxWatchedFolders) return;
    std::error_code ignored;
    if (it->is_directory(ignored)) {
      folders->insert(it->path().string());
    } else if (it->is_symlink(ignored)) {
      const fs::path real = fs::canonical(it->path(), ignored);
      if (!ignored) folders->insert(real.parent_path().string());
    }
  }
}

}  // namespace

StatusOr<std::unique_ptr<FileWatch>> FileWatch::Create(Changes changes) {
  const int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify < 0) {
    return absl::UnavailableError(std::string("inotify_init1: ") + std::strerror(errno));
  }
  const int wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake < 0) {
    const int error = errno;
    close(inotify);
    return absl::UnavailableError(std::string("eventfd: ") + std::strerror(error));
  }
  return std::unique_ptr<FileWatch>(new FileWatch(inotify, wake, changes));
}

FileWatch::~FileWatch() {
  close(inotify_);
  close(wake_);
}

void FileWatch::Set(const std::vector<std::string>& paths) {
  std::set<std::string> folders;
  for (const std::string& path : paths) AddFolders(path, &folders);
  std::vector<int> now;
  for (const std::string& folder : folders) {
    const uint32_t events = changes_ == Changes::kAppends ? kEvents | IN_MODIFY : kEvents;
    const int id = inotify_add_watch(inotify_, folder.c_str(), events);
    if (id >= 0) now.push_back(id);  // the same folder has the same id again
  }
  for (const int id : watched_) {
    if (std::find(now.begin(), now.end(), id) == now.end()) inotify_rm_watch(inotify_, id);
  }
  watched_ = std::move(now);
}

FileWatch::Outcome FileWatch::Wait(int limit_ms) {
  pollfd polled[] = {{inotify_, POLLIN, 0}, {wake_, POLLIN, 0}};
  if (poll(polled, 2, limit_ms) <= 0) return Outcome::kQuiet;
  Outcome outcome = Outcome::kQuiet;
  if ((polled[0].revents & POLLIN) != 0) {
    alignas(inotify_event) char events[4096];
    while (read(inotify_, events, sizeof(events)) > 0) outcome = Outcome::kChanged;
  }
  if ((polled[1].revents & POLLIN) != 0) {
    uint64_t count = 0;
    if (read(wake_, &count, sizeof(count)) > 0) outcome = Outcome::kWoken;
  }
  return outcome;
}

void FileWatch::Wake() {
  const uint64_t one = 1;
  (void)!write(wake_, &one, sizeof(one));
}

}  // namespace vigil::io
