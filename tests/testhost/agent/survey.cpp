// SPDX-License-Identifier: MIT
#include "survey.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

constexpr std::size_t longest_text = 65536;

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* stream = ::opendir(folder.empty() ? "/" : folder.c_str());
  if (stream == nullptr) return names;
  while (const dirent* entry = ::readdir(stream)) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  ::closedir(stream);
  std::sort(names.begin(), names.end());
  return names;
}

bool is_folder(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void record(const std::string& path, char kind, std::string_view value, std::string& out) {
  out.append(path).push_back('\0');
  out.append(1, kind).push_back('\0');
  // A NUL in a file's text would end the record.
  for (const char c : value) out.push_back(c == '\0' ? '\n' : c);
  out.push_back('\0');
}

void record_file(const std::string& path, const struct stat& status, std::string& out) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return record(path, 'e', std::strerror(errno), out);
  std::string text(longest_text, '\0');
  std::size_t size = 0;
  ssize_t count = 0;
  while (size < text.size() && (count = ::read(fd, text.data() + size, text.size() - size)) > 0)
    size += static_cast<std::size_t>(count);
  const int error = errno;
  ::close(fd);
  if (count < 0) return record(path, 'e', std::strerror(error), out);
  text.resize(size);
  if (path.starts_with("/sys/") || path.starts_with("/proc/")) return record(path, 'f', text, out);
  std::array<char, 64> facts{};
  std::snprintf(facts.data(), facts.size(), "%04o %u:%u %lld: ", status.st_mode & 07777U,
                status.st_uid, status.st_gid, static_cast<long long>(status.st_size));
  record(path, 'f', facts.data() + text, out);
}

void record_path(const std::string& path, std::string& out) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (S_ISREG(status.st_mode)) return record_file(path, status, out);
  if (S_ISDIR(status.st_mode)) return record(path, 'd', "", out);
  if (!S_ISLNK(status.st_mode)) return record(path, 's', "", out);
  std::array<char, 4096> target{};
  const auto length = ::readlink(path.c_str(), target.data(), target.size());
  if (length >= 0) record(path, 'l', {target.data(), static_cast<std::size_t>(length)}, out);
}

/// Matches the rest of a pattern, "/a/*/b", below a folder that is there.
void match(const std::string& folder, std::string_view pattern, std::string& out) {
  if (pattern.empty()) return record_path(folder, out);
  const auto end = std::min(pattern.find('/', 1), pattern.size());
  const std::string name(pattern.substr(1, end - 1));
  const auto rest = pattern.substr(end);
  if (name == "**") {
    match(folder, rest, out);
    for (const auto& entry : names_in(folder)) {
      const auto path = folder + "/" + entry;
      if (is_folder(path))
        match(path, pattern, out);
      else if (rest.empty())
        record_path(path, out);
    }
  } else if (name.find_first_of("*?[") == std::string::npos) {
    match(folder + "/" + name, rest, out);
  } else {
    for (const auto& entry : names_in(folder))
      if (::fnmatch(name.c_str(), entry.c_str(), FNM_PERIOD) == 0)
        match(folder + "/" + entry, rest, out);
  }
}

}  // namespace

std::string survey(std::string_view patterns) {
  std::string out;
  while (!patterns.empty()) {
    const auto end = std::min(patterns.find('\n'), patterns.size());
    if (end != 0) match("", patterns.substr(0, end), out);
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
  }
  return out;
}
