#include "io/durable_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace vigil::io {
namespace {

Status SystemError(const std::string& path, int error) {
  const std::string message = path + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT) return absl::ResourceExhaustedError(message);
  if (error == ENOENT) return absl::NotFoundError(message);
  return absl::UnavailableError(message);
}

// A file descriptor, closed at the end.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

Status SyncFile(const std::string& path) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0 || ::fsync(file.fd) != 0) return SystemError(path, errno);
  return absl::OkStatus();
}

Status SyncFolder(const std::string& path) {
  const Descriptor folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder.fd < 0 || ::fsync(folder.fd) != 0) return SystemError(path, errno);
  return absl::OkStatus();
}

Status WriteFileDurably(const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  {
    const Descriptor file{
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.fd < 0) return SystemError(temporary, errno);
    while (!bytes.empty()) {
      const ssize_t written = ::write(file.fd, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return SystemError(temporary, errno);
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    if (::fsync(file.fd) != 0) return SystemError(temporary, errno);
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return SystemError(path, errno);
  const size_t slash = path.rfind('/');
  return SyncFolder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

StatusOr<std::string> ReadSmallFile(const std::string& path, size_t max_size) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) return SystemError(path, errno);
  std::string bytes(max_size + 1, '\0');
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(file.fd, bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, errno);
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > max_size) {
    return absl::DataLossError(path + " is longer than " + std::to_string(max_size) + " bytes");
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace vigil::io
