// SPDX-License-Identifier: MIT
#include "launcher/base/hash.h"
#include "launcher/qemu/capabilities.h"
#include "launcher/qemu/resolved.h"

#include <boost/json.hpp>

#include <fcntl.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace hv::qemu {
namespace {

namespace json = boost::json;

/// Raised when the meaning of an entry changes.
constexpr int format = 2;
constexpr std::size_t largest_entry = std::size_t{1} << 20U;

std::int64_t modified_ns(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

/// When modules were last added to or removed from where a QEMU installed at
/// `binary` looks for them: a new one brings new types without a new binary.
json::array modules_of(const std::string& binary) {
  json::array times;
  const auto prefix = binary.substr(0, binary.find_last_of('/')) + "/../";
  utsname host{};
  (void)::uname(&host);  // Cannot fail with a valid buffer.
  for (const auto& directory : {fmt::format("lib/{}-linux-gnu/qemu", host.machine),
                                std::string("lib/qemu"), std::string("lib64/qemu")}) {
    struct stat status {};
    const bool there = ::stat((prefix + directory).c_str(), &status) == 0;
    times.push_back(there ? modified_ns(status) : 0);
  }
  return times;
}

/// As the kernel gives them: "kvm/halt_poll_ns=200000", …
json::array kvm_parameters(const Root& root) {
  json::array parameters;
  for (const auto* const module : {"kvm", "kvm_amd", "kvm_intel", "kvm_pvm"}) {
    const auto directory = fmt::format("/sys/module/{}/parameters", module);
    const auto names = root.list(directory);
    if (!names) continue;
    for (const auto& name : *names)
      if (const auto value = root.read(fmt::format("{}/{}", directory, name)))
        parameters.emplace_back(fmt::format("{}/{}={}", module, name, *value));
  }
  return parameters;
}

/// All that can change what a probe finds. Kept whole, not as a hash: `cat`
/// then tells why an entry was not used.
Result<json::object> key_of(const Root& root, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return fail_errno("stat {}", path);
  json::object key{
      {"format", format},
      {"path", path},
      {"size", std::int64_t{status.st_size}},
      {"mtime-ns", modified_ns(status)},
      {"inode", std::uint64_t{status.st_ino}},
      {"modules", modules_of(path)},
      {"kernel", root.read("/proc/sys/kernel/osrelease").value_or("")},
      {"microcode", root.read("/sys/devices/system/cpu/cpu0/microcode/version").value_or("")}};
  const auto kvm = root.open_file("/dev/kvm", O_RDWR);
  key["kvm"] = kvm ? "usable" : kvm.error().os_error == ENOENT ? "absent" : "refused";
  if (kvm) key["kvm-parameters"] = kvm_parameters(root);
  return key;
}

/// The text of an entry that only we or root can have written.
Result<std::string> read_trusted(const Root& root, const std::string& file) {
  const auto fd = TRY(root.open_file(file, O_RDONLY | O_NONBLOCK, 0, Links::refuse));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("stat {}", file);
  const bool ours = status.st_uid == 0 || status.st_uid == ::geteuid();
  const auto size = static_cast<std::size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || !ours || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
      size > largest_entry)
    return fail(Fault::permission, "untrusted-cache", "{} is not to be trusted, ignoring", file);
  std::string text(size, '\0');
  const auto count = ::pread(fd.get(), text.data(), size, 0);
  if (count < 0) return fail_errno("read {}", file);
  text.resize(static_cast<std::size_t>(count));
  return text;
}

/// An entry is one JSON object that begins with its key, so that comparing text
/// tells whether the rest is worth parsing.
std::string head_of(const json::object& key) {
  return fmt::format("{{\"key\":{},\n\"capabilities\":", json::serialize(key));
}
constexpr std::string_view tail = "}\n";

Result<Capabilities> load(const Root& root, const std::string& file, std::string_view head) {
  const auto text = TRY(read_trusted(root, file));
  if (!text.starts_with(head) || !text.ends_with(tail))
    return fail(Fault::failed, "stale-cache", "{} is of another time, ignoring", file);
  return capabilities_from_json(
      std::string_view(text).substr(head.size(), text.size() - head.size() - tail.size()));
}

Result<> store(const Root& root, const std::string& directory, const std::string& file,
               const std::string& text) {
  TRY(root.make_directories(directory, 0700));
  return root.replace(file, text);
}

}  // namespace

Result<Capabilities> capabilities_of(const Root& root, const std::string& binary,
                                     const std::string& cache_directory, const Question& question) {
  const auto path = TRY(resolved(binary));
  // Read before the probe: a binary replaced meanwhile is then probed once more.
  auto key = TRY(key_of(root, path));
  // Without KVM there is but one answer.
  const bool emulation = question.emulation && key["kvm"] == "usable";
  if (emulation) key["accelerator"] = "tcg";
  if (!question.cpu_model.empty()) key["cpu-model"] = question.cpu_model;
  const auto head = head_of(key);
  // The hash tells two binaries with one name apart, and two questions.
  const auto file =
      fmt::format("{}/{}-{:016x}.json", cache_directory, path.substr(path.find_last_of('/') + 1),
                  hash_of(fmt::format("{}\n{}\n{}", path, emulation, question.cpu_model)));
  if (auto cached = load(root, file, head)) return cached;

  auto found = TRY(probe(path, probe_patience, question), "asking {} what it can do", path);
  // A cache that cannot be written costs time at the next start, nothing else.
  (void)store(root, cache_directory, file, fmt::format("{}{}{}", head, to_json(found), tail));
  return found;
}

}  // namespace hv::qemu
