// SPDX-License-Identifier: MIT
#include "launcher/run/qemu_errors.h"

#include "launcher/base/text.h"

#include <boost/algorithm/string/replace.hpp>

#include <array>
#include <ranges>

namespace hv::run {
namespace {

/// What QEMU says when it does not start, and what that means for the user.
struct Known {
  std::string_view words;
  Fault fault;
  std::string_view id;
  std::string_view hint;
};

constexpr std::array known = {
    Known{"Failed to get \"write\" lock", Fault::state, "disk-in-use",
          "another program has the image open: a guest of another user, qemu-nbd or qemu-img"},
    Known{"Failed to get shared \"write\" lock", Fault::state, "disk-in-use",
          "another program writes to the image: a guest of another user, qemu-nbd or qemu-img"},
    Known{"vm-type ", Fault::missing, "no-confidential-host",
          "`hvlaunch doctor` and `dmesg` say what KVM lacks for encrypted guests"},
    Known{"cbitpos check failed", Fault::missing, "no-confidential-host",
          "leave 'cbitpos' out of 'confidential': the host's CPU says it"},
    Known{"Could not access KVM kernel module", Fault::permission, "no-kvm",
          "join the group kvm and log in again, or set \"accel\": \"tcg\""},
    Known{"unable to map backing store for guest RAM", Fault::missing, "no-hugepages",
          "free huge pages are fewer than the guest needs: raise vm.nr_hugepages"},
    Known{"cannot set up guest memory", Fault::missing, "no-memory",
          "this host has too little memory free: lower memory_mb"},
    Known{"Cannot allocate memory", Fault::missing, "no-memory",
          "this host has too little memory free: lower memory_mb"},
    Known{"Could not set up host forwarding rule", Fault::state, "port-in-use",
          "another program has that port of the host, or it is below 1024: take another one"},
    Known{"Permission denied", Fault::permission, "permission",
          "the user that starts the guest must be able to open that file, and the plan must name "
          "it: see the end of `hvlaunch plan`; \"confine\": \"off\" tells whether it is the cage"},
    Known{"Operation not permitted", Fault::permission, "permission",
          "what QEMU tried may not be in its cage: \"confine\": \"off\" tells"},
    Known{"Bad system call", Fault::permission, "permission",
          "QEMU needs a system call that its cage has not: please report it, and take "
          "\"confine\": \"default\" or \"off\" meanwhile"},
    Known{"doesn't support requested feature", Fault::missing, "no-cpu-feature",
          "the host's CPU lacks it: choose another CPU model"},
    Known{"is not a valid device model name", Fault::missing, "no-device",
          "this QEMU was built without that device"},
};

/// Files that were opened for QEMU by their own names.
std::string with_paths(std::string text, const plan::Plan& plan) {
  for (const auto& descriptor : plan.descriptors | std::views::reverse)  // 12 before 1.
    boost::replace_all(text, fmt::format("/dev/fdset/{}", descriptor.number), descriptor.path);
  return text;
}

/// The lines without time stamps and without QEMU's own name before each.
std::string cleaned(std::string_view log, const plan::Plan& plan) {
  std::string text;
  const auto own_name = plan.binary.substr(plan.binary.rfind('/') + 1) + ": ";
  constexpr std::size_t most_lines = 20;  // The last ones say why.
  const auto lines = split(log, '\n');
  const auto skipped = lines.size() > most_lines ? lines.size() - most_lines : 0;
  for (auto line : lines | std::views::drop(skipped)) {
    if (const auto at = line.find(own_name); at != std::string_view::npos)
      line.remove_prefix(at + own_name.size());
    if (line.empty()) continue;
    if (!text.empty()) text += "\n  ";
    text += line;
  }
  return text;
}

}  // namespace

Error explain_qemu(std::string_view log, std::string_view ending, const plan::Plan& plan) {
  const auto words = with_paths(cleaned(log, plan), plan);
  Error error{
      .fault = Fault::failed,
      .id = "qemu-died",
      .message = fmt::format("QEMU {} instead of starting{}{}", ending,
                             words.empty() ? ", without a word" : ":\n  ", words),
      .hint = fmt::format("`hvlaunch explain {}` says where each argument comes from", plan.vm)};
  for (const auto& [pattern, fault, id, hint] : known)
    if (log.contains(pattern) || ending.contains(pattern)) {
      error.fault = fault;
      error.id = id;
      error.hint = hint;
      break;
    }
  return error;
}

}  // namespace hv::run
