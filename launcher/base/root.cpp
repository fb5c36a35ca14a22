// SPDX-License-Identifier: MIT
#include "launcher/base/root.h"

#include "launcher/base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

namespace hv {
namespace {

Result<> write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const auto count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("write {}", path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

}  // namespace

Result<Root> Root::open(const std::string& directory) {
  UniqueFd fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno("open {}", directory);
  return Root(std::move(fd));
}

Result<UniqueFd> Root::open_file(const std::string& path, int flags, mode_t mode,
                                 Links links) const {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | (links == Links::refuse ? O_NOFOLLOW : 0));
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT;
  UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, directory_.get(), path.c_str(), &how, sizeof how)));
  if (!fd) return fail_errno("open {}", path);
  return fd;
}

Result<std::string> Root::read(const std::string& path, std::size_t limit) const {
  auto text = TRY(read_raw(path, limit));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Result<std::string> Root::read_raw(const std::string& path, std::size_t limit) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const auto count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read {}", path);
    if (count == 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > limit)
      return fail(Fault::failed, "file-too-large", "{} is larger than {} bytes", path, limit);
  }
  return text;
}

Result<std::string> Root::read_start(const std::string& path, std::size_t count) const {
  const auto fd = TRY(open_file(path, O_RDONLY));
  std::string text(count, '\0');
  std::size_t filled = 0;
  while (filled < count) {
    const auto more = ::read(fd.get(), text.data() + filled, count - filled);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return fail_errno("read {}", path);
    if (more == 0) break;
    filled += static_cast<std::size_t>(more);
  }
  text.resize(filled);
  return text;
}

Result<> Root::write(const std::string& path, std::string_view value) const {
  const auto fd = TRY(open_file(path, O_WRONLY | O_TRUNC));
  const auto count = ::write(fd.get(), value.data(), value.size());
  if (count < 0) return fail_errno("write '{}' to {}", printable(value), path);
  if (static_cast<std::size_t>(count) != value.size())
    return fail(Fault::failed, "short-write", "{} took {} of {} bytes", path, count, value.size());
  return {};
}

Result<std::vector<std::string>> Root::list(const std::string& path) const {
  auto fd = TRY(open_file(path, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> dir(
      ::fdopendir(fd.get()));
  if (!dir) return fail_errno("list {}", path);
  (void)fd.release();  // The DIR owns it now.
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get()))
    if (const std::string_view name = entry->d_name; name != "." && name != "..")
      names.emplace_back(name);
  std::ranges::sort(names);
  return names;
}

bool Root::exists(const std::string& path) const {
  return status(path).has_value();
}

Result<struct stat> Root::status(const std::string& path, Links links) const {
  const auto fd = TRY(open_file(path, O_PATH, 0, links));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("stat {}", path);
  return status;
}

Result<struct stat> Root::status_behind(const std::string& magic_link) const {
  const auto [directory, name] = TRY(parent_of(magic_link));
  struct stat status {};
  if (::fstatat(directory.get(), name.c_str(), &status, 0) < 0)
    return fail_errno("stat {}", magic_link);
  return status;
}

Result<std::string> Root::read_link(const std::string& path) const {
  const auto [directory, name] = TRY(parent_of(path));
  std::array<char, 4096> target;
  const auto count = ::readlinkat(directory.get(), name.c_str(), target.data(), target.size());
  if (count < 0) return fail_errno("read link {}", path);
  return std::string(target.data(), static_cast<std::size_t>(count));
}

Result<> Root::make_directories(const std::string& path, mode_t mode) const {
  for (auto end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const auto upto = path.substr(0, end);
    if (!exists(upto)) {
      const auto [directory, name] = TRY(parent_of(upto));
      if (::mkdirat(directory.get(), name.c_str(), mode) < 0 && errno != EEXIST)
        return fail_errno("make directory {}", upto);
    }
    if (end == std::string::npos) return {};
  }
}

Result<> Root::replace(const std::string& path, std::string_view text, mode_t mode) const {
  const auto [directory, name] = TRY(parent_of(path));
  const auto fresh = fmt::format(".{}.{}", name, ::getpid());
  const UniqueFd fd(::openat(directory.get(), fresh.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!fd) return fail_errno("make {}", path);
  auto written = write_all(fd.get(), text, path);
  if (written && ::fsync(fd.get()) < 0) written = fail_errno("sync {}", path);
  if (written && ::renameat(directory.get(), fresh.c_str(), directory.get(), name.c_str()) < 0)
    written = fail_errno("replace {}", path);
  if (!written) (void)::unlinkat(directory.get(), fresh.c_str(), 0);  // The first error counts.
  return written;
}

Result<> Root::rename(const std::string& from, const std::string& to) const {
  const auto old_place = TRY(parent_of(from));
  const auto new_place = TRY(parent_of(to));
  if (::renameat(old_place.directory.get(), old_place.name.c_str(), new_place.directory.get(),
                 new_place.name.c_str()) < 0)
    return fail_errno("rename {} to {}", from, to);
  return {};
}

Result<> Root::remove(const std::string& path) const {
  auto parent = parent_of(path);
  if (!parent && parent.error().os_error == ENOENT) return {};
  const auto [directory, name] = TRY(parent);
  if (::unlinkat(directory.get(), name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno == EISDIR && ::unlinkat(directory.get(), name.c_str(), AT_REMOVEDIR) == 0) return {};
  return fail_errno("remove {}", path);
}

Result<> Root::remove_directory(const std::string& path) const {
  auto names = list(path);
  if (!names && names.error().os_error == ENOENT) return {};
  for (const auto& name : TRY(names)) TRY(remove(path + "/" + name));
  return remove(path);
}

Result<Root::Parent> Root::parent_of(const std::string& path) const {
  const auto slash = path.find_last_of('/');
  if (slash == std::string::npos || slash + 1 == path.size())
    return fail(Fault::failed, "bad-path", "'{}' is not the absolute path of a file", path);
  auto directory =
      TRY(open_file(slash == 0 ? "/" : path.substr(0, slash), O_PATH | O_DIRECTORY));
  return Parent{std::move(directory), path.substr(slash + 1)};
}

}  // namespace hv
