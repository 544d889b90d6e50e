// Says when something under files or folders may have changed.
//
// inotify on every folder below the paths, and on the folder of each path itself: so a file that is
// replaced by a rename (editors), a link that is turned to another folder (Kubernetes' ConfigMaps)
// and folders that come later are all seen. It says no more than "look again": events may be lost
// or come twice, so whoever looks compares what is there.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cep/base/status.h"

namespace vigil::io {

// Folders that are watched at most; those beyond it are found at the next look only.
inline constexpr size_t kMaxWatchedFolders = 4096;

// Thread safety: none but Wake(), which any thread may call.
class FileWatch {
 public:
  enum class Changes {
    kWritten,  // files that come, go, or have been written to their end
    kAppends   // and each write
  };
  // Errors: UNAVAILABLE where the system gives no inotify instance.
  static StatusOr<std::unique_ptr<FileWatch>> Create(Changes changes = Changes::kWritten);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Watches these paths, files or folders, from now on, and no others. Cheap to call again.
  void Set(const std::vector<std::string>& paths);

  enum class Outcome { kQuiet, kChanged, kWoken };
  // Waits for a change, for Wake(), or for `limit_ms`; -1: without limit.
  Outcome Wait(int limit_ms);
  void Wake();

 private:
  FileWatch(int inotify, int wake, Changes changes)
      : inotify_(inotify), wake_(wake), changes_(changes) {}

  const int inotify_;
  const int wake_;
  const Changes changes_;
  std::vector<int> watched_;
};

}  // namespace vigil::io
