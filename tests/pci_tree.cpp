// SPDX-License-Identifier: MIT
#include "tests/pci_tree.h"

#include "launcher/base/text.h"
#include "vfio/pci_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

namespace fs = std::filesystem;
using hv::vfio::PciAddress;

namespace {

using Words = std::vector<std::string>;

Words words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

class Maker {
 public:
  explicit Maker(const TempTree& tree) : tree_(tree) {
    fs::create_directories(tree.path("/sys/bus/pci/devices"));
    fs::create_directories(tree.path("/sys/kernel/iommu_groups"));
    tree.write("/proc/interrupts", "           CPU0\n  9:   0  IR-IO-APIC    9-fasteoi   acpi\n");
  }

  void line(const std::string& text) {
    const auto words = words_of(text);
    if (words.empty() || words.front().starts_with('#')) return;
    const auto indent = text.find_first_not_of(' ');
    while (!above_.empty() && above_.back().indent >= indent) above_.pop_back();
    const auto& kind = words.front();
    if (kind == "root") {
      above_.push_back({indent, "/sys/devices/" + words.at(1)});
    } else if (const auto address = hv::vfio::parse_pci_address(kind)) {
      above_.push_back({indent, function(*address, words)});
    } else {
      other(kind, words);
    }
  }

  void finish() {
    tree_.write("/proc/self/mountinfo", mounts_);
    tree_.write("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n" + swaps_);
    tree_.write(
        "/proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n" + routes_);
    tree_.write("/proc/net/ipv6_route", routes6_);
  }

 private:
  struct Level {
    std::size_t indent;
    std::string path;
  };

  [[nodiscard]] std::string here() const { return above_.empty() ? "" : above_.back().path; }

  /// A link as the kernel makes them, relative.
  void link(const std::string& from, const std::string& to) const {
    const fs::path real = tree_.path(from);
    fs::create_directories(real.parent_path());
    fs::create_directory_symlink(fs::path(to).lexically_relative(fs::path(from).parent_path()),
                                 real);
  }

  std::string function(const PciAddress& address, const Words& words) {
    const auto name = to_string(address);
    const auto path = here() + "/" + name;
    std::map<std::string, std::string> given;
    for (const auto& word : words)
      if (const auto equals = word.find('='); equals != std::string::npos)
        given[word.substr(0, equals)] = word.substr(equals + 1);
      else
        given[word] = "1";
    const auto put = [&](const char* file, const char* key, const std::string& otherwise) {
      const auto value = given.contains(key) ? given[key] : otherwise;
      if (!value.empty()) tree_.write(path + "/" + file, value + "\n");
    };
    write_uevent(path, words, given);
    put("driver_override", "override", "(null)");
    put("numa_node", "numa", "-1");
    put("local_cpulist", "cpus", "0-15");
    put("serial_number", "pcie_serial", "");
    put("power/control", "power", "auto");
    put("sriov_totalvfs", "vfs_total", "");
    if (given.contains("vfs_total")) {
      put("sriov_numvfs", "vfs", "0");
      put("sriov_offset", "vf_offset", "8");
      put("sriov_stride", "vf_stride", "1");
      put("sriov_vf_device", "vf_device", "");
    }
    if (given.contains("mdev")) mdev_type(path, given["mdev"]);
    put("boot_vga", "boot_vga", words.at(1) == "0300" ? "0" : "");
    auto reset = given.contains("reset") ? given["reset"] : "pm bus";
    std::ranges::replace(reset, ',', ' ');
    tree_.write(path + "/reset_method", reset == "none" ? "\n" : reset + "\n");
    if (given.contains("driver")) link(path + "/driver", "/sys/bus/pci/drivers/" + given["driver"]);
    if (given.contains("driver"))
      link(fmt::format("/sys/bus/pci/drivers/{}/{}", given["driver"], name), path);
    if (given.contains("physfn")) {
      const auto physical = here() + "/" + given["physfn"];
      link(path + "/physfn", physical);
      link(fmt::format("{}/virtfn{}", physical, vfs_[physical]++), path);
    }
    if (given.contains("group")) {
      const auto group = "/sys/kernel/iommu_groups/" + given["group"];
      link(path + "/iommu_group", group);
      link(group + "/devices/" + name, path);
      if (!fs::exists(tree_.path(group + "/reserved_regions")))
        tree_.write(group + "/reserved_regions", "0x00000000fee00000 0x00000000feefffff msi\n");
    }
    link("/sys/bus/pci/devices/" + name, path);
    serial_ = given["serial"];
    return path;
  }

  /// "nvidia-63:4": a type of which four can be made.
  void mdev_type(const std::string& path, const std::string& text) const {
    const auto colon = text.find(':');
    const auto type = path + "/mdev_supported_types/" + text.substr(0, colon);
    tree_.write(type + "/available_instances", text.substr(colon + 1) + "\n");
    link("/sys/class/mdev_bus/" + fs::path(path).filename().string(), path);
  }

  void write_uevent(const std::string& path, const Words& words,
                    std::map<std::string, std::string>& given) const {
    const auto upper = [](std::string text) {
      for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      return text;
    };
    std::string text;
    if (given.contains("driver")) text += "DRIVER=" + given["driver"] + "\n";
    const auto code = (words.at(1) + "000000").substr(0, 6);
    text += "PCI_CLASS=" + upper(code.substr(code.front() == '0' ? 1 : 0)) + "\n";
    text += "PCI_ID=" + upper(words.at(2)) + "\n";
    text +=
        "PCI_SUBSYS_ID=" + upper(given.contains("subsystem") ? given["subsystem"] : "0000:0000") +
        "\n";
    tree_.write(path + "/uevent", text);
  }

  void block(const std::string& path) {
    const auto name = fs::path(path).filename().string();
    const auto number = fmt::format("259:{}", minor_++);
    tree_.write(path + "/dev", number + "\n");
    fs::create_directories(tree_.path(path + "/holders"));
    link("/sys/class/block/" + name, path);
    link("/sys/dev/block/" + number, path);
    numbers_[name] = number;
    blocks_[name] = path;
  }

  /// A disk at `path` and its partitions.
  void disk(const std::string& path, const Words& words, std::size_t first) {
    block(path);
    fs::create_directories(tree_.path(path + "/slaves"));
    for (auto i = first; i < words.size(); ++i) block(path + "/" + words[i]);
  }

  void stacked(const std::string& name, const Words& words, std::size_t first) {
    const auto path = "/sys/devices/virtual/block/" + name;
    disk(path, {}, 0);
    for (auto i = first; i < words.size(); ++i) {
      link(path + "/slaves/" + words[i], blocks_.at(words[i]));
      link(blocks_.at(words[i]) + "/holders/" + name, path);
    }
  }

  void other(const std::string& kind, const Words& words) {
    const auto& name = words.at(1);
    if (kind == "nvme") {
      const auto controller = here() + "/nvme/" + name;
      tree_.write(controller + "/serial", fmt::format("{:<20}\n", serial_));
      if (words.size() > 2) disk(controller + "/" + words[2], words, 3);
    } else if (kind == "block") {
      disk(here() + "/ata1/host0/target0:0:0/0:0:0:0/block/" + name, words, 2);
    } else if (kind == "drm") {
      const auto card = here() + "/drm/" + name;
      fs::create_directories(tree_.path(card));
      link("/sys/class/drm/" + name, card);
      for (std::size_t i = 2; i < words.size(); ++i) {
        const auto connector = fmt::format("{}-{}", name, words[i]);
        fs::create_directories(tree_.path(card + "/" + connector));
        link("/sys/class/drm/" + connector, card + "/" + connector);
      }
    } else if (kind == "net") {
      const auto path = (here().empty() ? "/sys/devices/virtual" : here()) + "/net/" + name;
      tree_.write(path + "/ifindex", "2\n");
      link("/sys/class/net/" + name, path);
      for (std::size_t i = 2; i < words.size(); ++i)
        link(path + "/lower_" + words[i], "/sys/class/net/" + words[i]);
    } else if (kind == "dm") {
      stacked("dm-" + name, words, 3);
      tree_.write(fmt::format("/sys/devices/virtual/block/dm-{}/dm/name", name), words[2] + "\n");
    } else if (kind == "array") {
      stacked(name, words, 2);
    } else {
      of_proc(kind, words);
    }
  }

  void of_proc(const std::string& kind, const Words& words) {
    const auto& name = words.at(1);
    const auto& last = words.back();
    if (kind == "slot") {
      tree_.write(fmt::format("/sys/bus/pci/slots/{}/address", name), words[2] + "\n");
    } else if (kind == "mount") {
      const bool numbered = words.size() == 3;
      mounts_ += fmt::format("28 1 {} / {} rw shared:1 - {} {} rw\n",
                             numbered ? numbers_.at(words[2]) : "0:25", name,
                             numbered ? "ext4" : words[2], numbered ? "/dev/" + last : last);
    } else if (kind == "swap") {
      swaps_ += name + "  partition\t8388604\t0\t-2\n";
    } else if (kind == "route") {
      routes_ += name + "\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    } else if (kind == "route6") {
      const std::string zeros(32, '0');
      routes6_ += fmt::format("{0} 00 {0} 00 {0} 00000400 00000001 00000000 00000003 {1:>8}\n",
                              zeros, name);
    } else if (kind == "file") {
      std::string text;
      for (std::size_t i = 2; i < words.size(); ++i)
        text +=
            words[i] == "|" ? "\n" : (text.empty() || text.ends_with('\n') ? "" : " ") + words[i];
      tree_.write(name, text + "\n");
    } else {
      throw std::runtime_error("pci.txt: " + kind);
    }
  }

  const TempTree& tree_;
  std::vector<Level> above_;
  std::map<std::string, std::string> numbers_, blocks_;
  std::map<std::string, int> vfs_;  ///< By the path of their physical function.
  std::string serial_, mounts_, swaps_, routes_, routes6_;
  int minor_ = 0;
};

}  // namespace

std::string large_host() {
  std::string text;
  int drives = 0;
  for (int domain = 0; domain < 10; ++domain) {
    text += fmt::format("root pci{:04x}:00\n", domain);
    for (int port = 0; port < 10; ++port) {
      text += fmt::format("  {:04x}:00:{:02x}.0 0604 8086:2030 driver=pcieport group={}\n", domain,
                          port, domain * 10 + port);
      for (int function = 0; function < 4; ++function) {
        const bool drive = function == 3 && port < 6;
        text += fmt::format("    {:04x}:{:02x}:00.{} {} driver={} group={}\n", domain, port + 1,
                            function,
                            drive                        ? "010802 144d:a80a"
                            : port == 0 && function == 0 ? "0200 15b3:1017"
                                                         : "0200 8086:1592",
                            drive ? "nvme" : "ice", 1000 + domain * 100 + port * 10 + function / 2);
        if (drive)
          text += fmt::format("      nvme nvme{0} nvme{0}n1 nvme{0}n1p1 nvme{0}n1p2\n", drives++);
        if (function == 0 && port == 0) text += fmt::format("      net eth{}\n", domain);
      }
    }
  }
  return text + "mount / nvme0n1p2\nmount /boot nvme0n1p1\nroute eth0\n";
}

void make_pci_tree(const TempTree& tree, std::string_view description) {
  Maker maker(tree);
  for (const auto line : hv::split(description, '\n')) maker.line(std::string(line));
  maker.finish();
}

void make_pci_host(const TempTree& tree, std::string_view host) {
  std::ifstream in(fmt::format("{}/hosts/{}/pci.txt", TESTS_DIR, host));
  if (!in) throw std::runtime_error(fmt::format("no tests/hosts/{}/pci.txt", host));
  std::stringstream text;
  text << in.rdbuf();
  make_pci_tree(tree, text.str());
}
