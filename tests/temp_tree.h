// SPDX-License-Identifier: MIT
//
// A directory for one test, gone with it.
#pragma once

#include "launcher/base/root.h"

#include <sys/stat.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

class TempTree {
 public:
  TempTree() : path_(std::filesystem::temp_directory_path() / "hvlaunch-test-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) std::abort();
  }
  TempTree(const TempTree&) = delete;
  TempTree& operator=(const TempTree&) = delete;
  ~TempTree() {
    // A child of a test that calls exit() destroys what is static, too.
    if (::getpid() == owner_) std::filesystem::remove_all(path_);
  }

  /// The real path of a file named as within the tree: "/proc/cpuinfo".
  [[nodiscard]] std::string path(std::string_view file = "") const {
    return path_ + std::string(file);
  }

  [[nodiscard]] hv::Root root() const { return hv::Root::open(path_).value(); }

  /// Makes the file and the directories above it; its real path.
  std::string write(std::string_view file, std::string_view text, ::mode_t mode = 0644) const {
    const auto real = path(file);
    std::filesystem::create_directories(std::filesystem::path(real).parent_path());
    std::ofstream(real, std::ios::binary | std::ios::trunc) << text;
    ::chmod(real.c_str(), mode);
    return real;
  }

  [[nodiscard]] std::string read(std::string_view file) const {
    std::ifstream in(path(file), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::string path_;
  pid_t owner_ = ::getpid();
};
