// SPDX-License-Identifier: MIT
#include "launcher/base/text.h"
#include "launcher/commands/autostart.h"
#include "launcher/commands/config.h"
#include "launcher/run/boot_attempts.h"
#include "profiles/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace hv::commands {
namespace {

constexpr std::size_t largest_file = std::size_t{1} << 20U;
constexpr std::size_t longest_command_line = std::size_t{64} << 10U;
constexpr std::string_view profile_suffix = ".json";
constexpr std::string_view attempt_suffix = ".start";

/// Of a regular file only: to open a FIFO would wait for who writes it.
Result<std::string> read_regular(const Root& root, const std::string& path) {
  const auto fd = TRY(root.open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0) return fail_errno("stat {}", path);
  if (!S_ISREG(status.st_mode))
    return fail(Fault::failed, "not-a-file", "{} is not a regular file", path);
  if (static_cast<std::size_t>(status.st_size) > largest_file)
    return fail(Fault::failed, "file-too-large", "{} is larger than {} bytes", path, largest_file);
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  const auto count = ::read(fd.get(), text.data(), text.size());
  if (count < 0) return fail_errno("read {}", path);
  text.resize(static_cast<std::size_t>(count));
  return text;
}

/// Whether a profile may ask for its start. An escape could spell the word.
bool may_ask(std::string_view text) {
  return text.contains("autostart") || text.contains("\\u");
}

Errors mismatch(const profiles::Source& source, const std::string& vm, const std::string& name) {
  return {{.fault = Fault::profile,
           .id = "name-mismatch",
           .message = fmt::format("the profile of '{}' calls itself '{}'", vm, name),
           .origin = profiles::locate(source, "/name"),
           .hint = "the file's name without .json is the VM's name"}};
}

class Reader {
 public:
  Reader(const Context& context, Asked asked) : context_(context), asked_(asked) {}

  plan::AutostartPlan plan() {
    const auto kernel = kernel_words();
    const auto settings = load_autostart_settings(context_);
    if (!settings) note(settings.error());
    for (const auto& directory : context_.paths.profiles) read_directory(directory, kernel);
    std::ranges::sort(profiles_, {}, &plan::Startable::vm);
    auto made = plan::plan_autostart(profiles_, settings.value_or(plan::AutostartSettings()),
                                     kernel, downs());
    std::ranges::move(notes_, std::back_inserter(made.notes));
    return made;
  }

 private:
  void note(const Error& error) { notes_.push_back(error.message); }

  plan::KernelWords kernel_words() {
    const auto line = context_.root.read("/proc/cmdline", longest_command_line);
    if (line) return plan::parse_kernel_words(*line);
    note(line.error());
    return {};
  }

  void read_directory(const std::string& directory, const plan::KernelWords& kernel) {
    const auto names = context_.root.list(directory);
    if (!names && names.error().os_error != ENOENT) note(names.error());
    if (!names) return;
    for (const std::string_view name : *names) {
      if (!name.ends_with(profile_suffix)) continue;
      const std::string vm(name.substr(0, name.size() - profile_suffix.size()));
      const auto path = fmt::format("{}/{}", directory, name);
      if (!profiles::is_vm_name(vm))
        notes_.push_back(
            fmt::format("{} cannot be the profile of a VM: its name", printable(path)));
      else if (seen_.insert(vm).second)  // The first directory that has it counts.
        read_profile(vm, path, kernel.names(vm));
    }
  }

  void read_profile(const std::string& vm, const std::string& path, bool named) {
    plan::Startable found{.vm = vm, .path = path};
    auto text = read_regular(context_.root, path);
    if (text && asked_ != Asked::all && !named && !may_ask(*text)) {
      profiles_.push_back(std::move(found));
      return;
    }
    if (text)
      decode({.name = path, .text = *std::move(text)}, found);
    else
      found.errors = {text.error()};
    profiles_.push_back(std::move(found));
  }

  static void decode(const profiles::Source& source, plan::Startable& found) {
    auto profile = profiles::parse_profile(source);
    if (!profile) {
      found.errors = std::move(profile).error();
    } else if (profile->name.value != found.vm) {
      found.errors = mismatch(source, found.vm, profile->name.value);
    } else {
      found.enabled = profile->autostart.enable.value;
      found.group = profile->autostart.group.value;
      found.priority = profile->autostart.priority.value;
    }
  }

  /// Without them all start: a state directory that is not mounted yet has none.
  plan::Downs downs() {
    plan::Downs found;
    const auto boot = run::this_boot(context_.root).value_or("");
    for (const std::string_view name :
         context_.root.list(context_.paths.records()).value_or(std::vector<std::string>())) {
      if (!name.ends_with(attempt_suffix)) continue;
      std::string vm(name.substr(0, name.size() - attempt_suffix.size()));
      const auto attempt = run::load_attempt({context_.root, context_.paths, vm});
      if (const auto times = run::downs_of(attempt, boot); times > 0)
        found.emplace(std::move(vm), times);
    }
    return found;
  }

  const Context& context_;
  Asked asked_;
  std::vector<plan::Startable> profiles_;
  std::set<std::string, std::less<>> seen_;
  std::vector<std::string> notes_;
};

}  // namespace

plan::AutostartPlan load_autostart(const Context& context, Asked asked) {
  return Reader(context, asked).plan();
}

}  // namespace hv::commands
