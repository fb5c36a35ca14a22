// SPDX-License-Identifier: MIT
//
// A PCI bus in a directory, and a process that plays the kernel: it binds and
// unbinds while a writer opens the attribute. A lease on each attribute makes
// the open wait for it, so that a test sees what sysfs shows: the write
// returns, and it is done. It obeys one write to each attribute.
#pragma once

#include "tests/temp_tree.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <vector>

class PciTree : public TempTree {
 public:
  static constexpr std::string_view address = "0000:01:00.0";

  PciTree() {
    write("/sys/bus/pci/drivers_probe", "");
    for (const auto* const driver : {"e1000e", "vfio-pci"}) add_driver(driver);
    write(device("/driver_override"), "(null)\n");
    write(device("/power/control"), "on\n");
    link(std::string("/sys/bus/pci/devices/").append(address),
         std::string("../../../devices/pci0000:00/").append(address));
    std::filesystem::create_directories(path("/sys/kernel/iommu_groups/7"));
    link(device("/iommu_group"), "../../../kernel/iommu_groups/7");
    set_driver("e1000e");
  }

  [[nodiscard]] static std::string device(std::string_view file) {
    return std::string("/sys/devices/pci0000:00/").append(address).append(file);
  }
  [[nodiscard]] static std::string driver_file(std::string_view driver, std::string_view file) {
    return std::string("/sys/bus/pci/drivers/").append(driver).append("/").append(file);
  }

  void add_driver(std::string_view driver) const {
    write(driver_file(driver, "bind"), "");
    write(driver_file(driver, "unbind"), "");
  }

  /// As the kernel shows it; empty: none.
  void set_driver(std::string_view driver) const {
    std::filesystem::remove(path(device("/driver")));
    if (!driver.empty())
      link(device("/driver"), std::string("../../../bus/pci/drivers/").append(driver));
    std::filesystem::remove(path("/dev/vfio/7"));
    if (driver.starts_with("vfio")) write("/dev/vfio/7", "");
  }
  [[nodiscard]] std::string driver() const {
    const auto there = std::filesystem::path(path(device("/driver")));
    return std::filesystem::is_symlink(there)
               ? std::filesystem::read_symlink(there).filename().string()
               : "";
  }
  [[nodiscard]] std::string override_text() const {
    auto text = read(device("/driver_override"));
    if (text.ends_with('\n')) text.pop_back();
    return text == "(null)" ? "" : text;
  }

  void remove_device() const {
    std::filesystem::remove(path(std::string("/sys/bus/pci/devices/").append(address)));
    std::filesystem::remove_all(path(device("")));
  }

  void link(const std::string& file, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(path(file)).parent_path());
    std::filesystem::create_symlink(target, path(file));
  }
};

class FakeKernel {
 public:
  /// What a write does instead of what it ought to, to a file that is named as
  /// within /sys/bus/pci or from "/" on.
  using Whims = std::map<std::string, std::function<void(const PciTree&)>>;

  explicit FakeKernel(const PciTree& tree, Whims whims = {})
      : tree_(tree), whims_(std::move(whims)) {
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) < 0) std::abort();
    child_ = ::fork();
    if (child_ < 0) std::abort();
    if (child_ == 0) serve(ready[1]);
    ::close(ready[1]);
    char up = 0;
    if (::read(ready[0], &up, 1) != 1) std::abort();
    ::close(ready[0]);
  }
  FakeKernel(const FakeKernel&) = delete;
  FakeKernel& operator=(const FakeKernel&) = delete;
  ~FakeKernel() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

  /// The attributes in the order of their first writes, one a line.
  [[nodiscard]] std::string writes() const { return tree_.read("/writes"); }

 private:
  static constexpr std::string_view bus = "/sys/bus/pci/";

  [[noreturn]] void serve(int ready) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int broken = SIGRTMIN;
    ::sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, broken);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    tree_.write("/writes", "");
    std::map<int, std::string> files;
    for (const auto& file : attributes()) {
      const int fd = ::open(tree_.path(file).c_str(), O_RDONLY | O_CLOEXEC);
      if (fd < 0 && errno == ENOENT) continue;
      if (fd < 0 || ::fcntl(fd, F_SETSIG, broken) < 0 || ::fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        ::_exit(1);
      files[fd] = file;
    }
    if (::write(ready, "+", 1) != 1) ::_exit(1);
    for (;;) {
      ::siginfo_t info{};
      if (::sigwaitinfo(&set, &info) < 0) continue;
      const auto& file = files.at(info.si_fd);
      act(file.starts_with(bus) ? file.substr(bus.size()) : file);
      ::fcntl(info.si_fd, F_SETLEASE, F_UNLCK);
    }
  }

  [[nodiscard]] std::vector<std::string> attributes() const {
    std::vector<std::string> files = {
        "/sys/bus/pci/drivers_probe",
        std::string("/sys/bus/pci/devices/").append(PciTree::address).append("/driver_override")};
    for (const auto& entry :
         std::filesystem::directory_iterator(tree_.path("/sys/bus/pci/drivers")))
      for (const auto* const file : {"bind", "unbind"})
        if (std::filesystem::is_regular_file(entry.path() / file))
          files.push_back(PciTree::driver_file(entry.path().filename().string(), file));
    for (const auto& [file, whim] : whims_)
      if (const auto path = file.starts_with('/') ? file : std::string(bus) + file;
          std::ranges::find(files, path) == files.end())
        files.push_back(path);
    return files;
  }

  void act(const std::string& file) const {
    std::ofstream(tree_.path("/writes"), std::ios::app) << file << '\n';
    if (const auto whim = whims_.find(file); whim != whims_.end()) return whim->second(tree_);
    const auto wanted = tree_.override_text();
    if (file == "drivers_probe") {
      if (std::filesystem::exists(tree_.path(PciTree::driver_file(wanted, "bind"))))
        tree_.set_driver(wanted);
    } else if (file.ends_with("/unbind")) {
      tree_.set_driver("");
    } else if (file.ends_with("/bind")) {
      const auto driver = file.substr(8, file.size() - 8 - 5);  // "drivers/<driver>/bind"
      if (wanted.empty() || wanted == driver) tree_.set_driver(driver);
    }
  }

  const PciTree& tree_;
  Whims whims_;
  pid_t child_ = -1;
};
