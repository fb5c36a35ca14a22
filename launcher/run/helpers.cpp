// SPDX-License-Identifier: MIT
#include "launcher/run/helpers.h"

#include "launcher/base/text.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace hv::run {
namespace {

// include/linux/sched.h; what they mean here has not changed since they came.
constexpr std::uint64_t user_worker = 0x4000;      // PF_USER_WORKER, Linux 6.4.
constexpr std::uint64_t kernel_thread = 0x200000;  // PF_KTHREAD.

template <class T>
std::optional<T> number_in(std::string_view text) {
  T number{};
  const auto* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

struct Task {
  std::string name;
  std::uint64_t flags = 0;
};

/// From proc(5)'s stat: "12 (a name) S 2 0 0 0 -1 2129984 …".
Task parse_stat(std::string_view text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  const auto fields = split(text.substr(close + 1), ' ');
  constexpr std::size_t flags = 7;
  return {.name = std::string(text.substr(open + 1, close - open - 1)),
          .flags = fields.size() > flags ? number_in<std::uint64_t>(fields[flags]).value_or(0) : 0};
}

std::vector<pid_t> ids_in(const Root& root, const std::string& directory) {
  std::vector<pid_t> ids;
  for (const auto& name : root.list(directory).value_or(std::vector<std::string>{}))
    if (const auto id = number_in<pid_t>(name)) ids.push_back(*id);
  return ids;
}

void add_workers(const Root& root, const std::string& directory, pid_t qemu, std::uint64_t flag,
                 std::vector<Helper>& workers) {
  const auto name = fmt::format("vhost-{}", qemu);
  for (const auto id : ids_in(root, directory)) {
    const auto stat = root.read(fmt::format("{}/{}/stat", directory, id));
    // A name is anybody's, the flag is the kernel's.
    if (const auto task = parse_stat(stat.value_or(""));
        task.name == name && (task.flags & flag) != 0)
      workers.push_back({.what = "vhost worker", .id = id});
  }
}

bool has_vhost(const Root& root, pid_t qemu) {
  const auto directory = fmt::format("/proc/{}/fd", qemu);
  return std::ranges::any_of(ids_in(root, directory), [&](pid_t number) {
    const auto target = root.read_link(fmt::format("{}/{}", directory, number));
    return target && target->starts_with("/dev/vhost-");
  });
}

}  // namespace

std::vector<Helper> vhost_workers(const Root& root, pid_t qemu) {
  std::vector<Helper> workers;
  if (!has_vhost(root, qemu)) return workers;  // All processes of a host are many.
  add_workers(root, fmt::format("/proc/{}/task", qemu), qemu, user_worker, workers);
  if (workers.empty()) add_workers(root, "/proc", qemu, kernel_thread, workers);
  return workers;
}

std::vector<Helper> helper_programs(const Place& place, pid_t qemu) {
  std::vector<Helper> programs;
  const auto own = place.root.status(place.directory());
  const auto path = place.directory() + "/";
  for (const auto id : ids_in(place.root, "/proc")) {
    if (id == qemu) continue;
    const auto process = fmt::format("/proc/{}", id);
    const auto owner = place.root.status(process);
    if (!own || !owner || owner->st_uid != own->st_uid) continue;
    const auto words = place.root.read(process + "/cmdline").value_or("");
    if (!words.contains(path)) continue;
    const auto name = parse_stat(place.root.read(process + "/stat").value_or("")).name;
    programs.push_back({.what = printable(name), .id = id});
  }
  return programs;
}

bool is_kernels_own(const Root& root, pid_t process, pid_t thread) {
  const auto stat = root.read(fmt::format("/proc/{}/task/{}/stat", process, thread));
  return (parse_stat(stat.value_or("")).flags & user_worker) != 0;
}

}  // namespace hv::run
