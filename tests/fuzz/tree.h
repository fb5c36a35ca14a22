// SPDX-License-Identifier: MIT
//
// A small tree of sysfs whose attributes hold what the fuzzer says: the input's
// parts, separated by byte 0xff, are the files' texts in the order of a list.
// The tree lives in memory, and only what differs is written again.
#pragma once

#include "launcher/base/root.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fuzz {

class Tree {
 public:
  explicit Tree(std::vector<std::string> files) : files_(std::move(files)) {
    if (::mkdtemp(place_.data()) == nullptr) std::abort();
    for (const auto& file : files_)
      std::filesystem::create_directories(std::filesystem::path(place_ + file).parent_path());
  }
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  ~Tree() { std::filesystem::remove_all(place_); }

  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] hv::Root root() const { return hv::Root::open(place_).value(); }

  /// A part that is missing leaves its file out.
  void fill(std::string_view input) {
    for (const auto& file : files_) {
      const auto end = input.find('\xff');
      put(file, input.substr(0, end), end != std::string_view::npos || !input.empty());
      input = end == std::string_view::npos ? std::string_view() : input.substr(end + 1);
    }
  }

 private:
  void put(const std::string& file, std::string_view text, bool there) {
    const auto known = texts_.find(file);
    if (there ? known != texts_.end() && known->second == text : known == texts_.end()) return;
    if (!there) {
      ::unlink((place_ + file).c_str());
      texts_.erase(known);
      return;
    }
    const int fd = ::open((place_ + file).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || ::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      std::abort();
    ::close(fd);
    texts_[file] = text;
  }

  std::string place_ = "/dev/shm/hvfuzz-XXXXXX";
  std::vector<std::string> files_;
  std::map<std::string, std::string> texts_;
};

}  // namespace fuzz
