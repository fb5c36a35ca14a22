// SPDX-License-Identifier: MIT
#include "launcher/commands/load.h"

#include "launcher/base/hash.h"
#include "launcher/base/text.h"
#include "launcher/commands/config.h"
#include "launcher/plan/machine.h"
#include "launcher/plan/needs.h"
#include "launcher/run/claims.h"
#include "launcher/run/disk_image.h"
#include "launcher/run/program.h"
#include "launcher/run/records.h"
#include "profiles/source.h"

#include <unistd.h>

#include <algorithm>
#include <array>

namespace hv::commands {
namespace {

constexpr std::size_t largest_profile = std::size_t{1} << 20U;

bool is_path(std::string_view vm) {
  return vm.contains('/') || vm.ends_with(".json") || vm == "-";
}

/// A path as the user meant it: below the directory they are in.
Result<std::string> absolute(const Context& context, const std::string& path) {
  if (path.starts_with('/')) return path;
  if (context.directory.empty())
    return fail(Fault::failed, "no-directory",
                "'{}' is relative, and the current directory is gone", path);
  return context.directory + "/" + path;
}

/// Through the descriptor itself: Root follows no magic links.
Result<std::string> read_standard_input() {
  std::string text;
  std::array<char, 16384> buffer;
  for (;;) {
    const auto count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return fail_errno("read standard input");
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > largest_profile)
      return fail(Fault::failed, "file-too-large", "standard input is larger than {} bytes",
                  largest_profile);
  }
}

std::string stem_of(std::string_view path) {
  auto name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".json")) name.remove_suffix(5);
  return std::string(name);
}

std::string binary_of(const profiles::Profile& profile) {
  if (!profile.qemu_binary.value.empty()) return profile.qemu_binary.value;
  return fmt::format("qemu-system-{}", to_string(profile.arch.value));
}

/// Descriptors are read only for guests that boot by UEFI.
qemu::FirmwareSet firmware_for(const Context& context, const profiles::Profile& profile,
                               const std::string& binary) {
  using profiles::FirmwareKind;
  const auto kind = profile.firmware.kind.value;
  const bool none = kind == FirmwareKind::none || kind == FirmwareKind::bios;
  if (none || !profile.firmware.code.value.empty()) return {};
  return qemu::read_firmware(context.root,
                             qemu::firmware_directories(binary, context.variable("XDG_DATA_DIRS"),
                                                        context.paths.firmware_config));
}

std::string base_format(const Context& context, const profiles::Profile& profile) {
  const auto& base = profile.disk.base_image.value;
  if (base.empty()) return "qcow2";
  const auto path = base.starts_with('/') ? base : context.paths.state + "/" + base;
  const auto header = run::read_image_header(context.root, path);
  return header && !header->qcow2 ? "raw" : "qcow2";
}

/// What the guest's CPU can have depends on the accelerator that it will get,
/// and of the models only the one that is asked for is of interest.
qemu::Question question_of(const Context& context, const profiles::Profile& profile) {
  const auto& model = profile.cpu_model.value;
  const bool named = model != "host" && model != "max" && model != "baseline";
  const bool emulation =
      profile.accelerator.value == profiles::Accelerator::tcg ||
      !host::read_kvm(context.root, std::string(to_string(profile.arch.value))).usable;
  return {.emulation = emulation, .cpu_model = named ? model : ""};
}

/// The hosts that the guest may move between.
Result<std::vector<plan::HostRecord>> load_baseline(const Context& context,
                                                    const profiles::Profile& profile) {
  constexpr std::size_t largest_record = std::size_t{4} << 20U;
  std::vector<plan::HostRecord> hosts;
  for (const auto& [file, pointer] : profile.cpu_baseline) {
    const auto path = file.starts_with('/') ? file : context.paths.state + "/" + file;
    auto record = [&]() -> Result<plan::HostRecord> {
      return plan::host_record_from_json(TRY(context.root.read(path, largest_record)));
    }();
    if (!record) {
      auto error = std::move(record).error();
      error.message = fmt::format("{}: {}", path, error.message);
      error.origin.pointer = pointer;
      return std::unexpected(std::move(error));
    }
    if (record->name.empty()) record->name = file;
    hosts.push_back(*std::move(record));
  }
  return hosts;
}

/// An ISO that nobody has checked is used, but not silently.
void warn_of_unverified_iso(const Context& context, plan::Plan& plan) {
  for (const auto& disk : plan.disks)
    if (disk.node == "cdrom" && context.root.exists(disk.path) &&
        !context.root.exists(disk.path + ".sha256.verified"))
      plan.warnings.push_back(
          {"unverified-iso", fmt::format("{} has no checksum mark beside it", disk.path)});
}

/// Equal pages are offered to the kernel, and nothing looks at the offer.
void warn_of_idle_ksm(const Context& context, const profiles::Profile& profile, plan::Plan& plan) {
  const bool merges = std::ranges::any_of(profile.memory_options, [](const auto& option) {
    return option.name == "merge" && option.on();
  });
  const auto run = context.root.read("/sys/kernel/mm/ksm/run").value_or("");
  if (merges && run != "1")
    plan.warnings.push_back(
        {"ksm-off", run.empty() ? "memory_options.merge has no effect: this kernel has no KSM"
                                : "memory_options.merge has no effect while KSM is off; as root: "
                                  "`echo 1 >/sys/kernel/mm/ksm/run`"});
}

}  // namespace

Errors placed(Errors errors, const Loaded& loaded) {
  for (auto& error : errors)
    if (!error.origin.pointer.empty())
      error.origin = profiles::locate(loaded.source, error.origin.pointer);
  profiles::sort(errors);
  return errors;
}

std::vector<Listed> list_profiles(const Context& context) {
  std::vector<Listed> all;
  for (const auto& directory : context.paths.profiles) {
    const auto names = context.root.list(directory);
    if (!names) continue;
    for (const auto& name : *names) {
      if (!name.ends_with(".json")) continue;
      auto stem = stem_of(name);
      if (profiles::is_vm_name(stem) && std::ranges::find(all, stem, &Listed::name) == all.end())
        all.push_back({std::move(stem), fmt::format("{}/{}", directory, name)});
    }
  }
  std::ranges::sort(all, {}, &Listed::name);
  return all;
}

Result<std::string> find_profile(const Context& context, const std::string& vm) {
  if (vm == "-") return vm;
  if (is_path(vm)) {
    auto path = TRY(absolute(context, vm));
    if (context.root.exists(path)) return path;
    return fail(Fault::no_such_vm, "no-such-vm", "there is no file {}", printable(path));
  }
  for (const auto& directory : context.paths.profiles)
    if (auto path = fmt::format("{}/{}.json", directory, vm);
        profiles::is_vm_name(vm) && context.root.exists(path))
      return path;

  const auto known = list_profiles(context);
  std::vector<std::string_view> names;
  names.reserve(known.size());
  for (const auto& listed : known) names.push_back(listed.name);
  const auto near = nearest(vm, names);
  return std::unexpected(with_hint(
      {.fault = Fault::no_such_vm,
       .id = "no-such-vm",
       .message = fmt::format("there is no VM '{}'", printable(vm))},
      !near.empty()
          ? fmt::format("did you mean '{}'?", near)
          : fmt::format("profiles are looked for in {}", join(context.paths.profiles, ", "))));
}

Result<profiles::Source> read_profile_text(const Context& context, const std::string& path) {
  if (path == "-") {
    auto text = TRY(read_standard_input());
    if (text.ends_with('\n')) text.pop_back();
    return profiles::Source{.name = "-", .text = std::move(text)};
  }
  auto text = TRY(context.root.read(path, largest_profile));
  return profiles::Source{.name = path, .text = std::move(text)};
}

std::expected<Loaded, Errors> load_profile(const Context& context, const std::string& vm) {
  auto path = find_profile(context, vm);
  if (!path) return std::unexpected(Errors{std::move(path).error()});
  auto source = read_profile_text(context, *path);
  if (!source) return std::unexpected(Errors{source.error()});
  auto profile = profiles::parse_profile(*source);
  if (!profile) return std::unexpected(std::move(profile).error());
  if (!is_path(vm) && profile->name.value != vm) {
    auto origin = profiles::locate(*source, "/name");
    return std::unexpected(Errors{
        {.fault = Fault::profile,
         .id = "name-mismatch",
         .message = fmt::format("the profile of '{}' calls itself '{}'", vm, profile->name.value),
         .origin = std::move(origin),
         .hint = "the file's name without .json is the VM's name"}});
  }
  const auto hash = hash_of(source->text);
  return Loaded{*std::move(profile), *std::move(path), *std::move(source), hash};
}

Result<qemu::Capabilities> load_capabilities(const Context& context, const std::string& binary,
                                             const qemu::Question& question) {
  const auto search = context.variable("PATH") + ":" + std::string(run::program_path);
  const auto path = TRY(qemu::find_binary(binary, search));
  return qemu::capabilities_of(context.root, path, context.paths.cache, question);
}

std::expected<Planned, Errors> load_plan(const Context& context, const std::string& vm,
                                         const PlanOptions& options) {
  auto loaded = load_profile(context, vm);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  if (options.ordinary_pages) loaded->profile.huge_pages.enable.value = false;
  const auto& profile = loaded->profile;
  const auto one = [](Error error) { return std::unexpected(Errors{std::move(error)}); };

  const auto config = load_config(context);
  if (!config) return one(config.error());
  const auto capabilities =
      load_capabilities(context, binary_of(profile), question_of(context, profile));
  if (!capabilities) return one(capabilities.error());
  const run::Place place{context.root, context.paths, profile.name.value};
  auto baseline = load_baseline(context, profile);
  if (!baseline) return std::unexpected(placed({std::move(baseline).error()}, *loaded));
  auto record = run::load_record(place);
  if (!record) return one(std::move(record).error());
  auto needs = plan::needs_of(profile);
  needs.quarantined = vfio::quarantined(context.root, context.paths.runtime);
  auto machine =
      plan::resolve({.profile = profile,
                     .qemu = *capabilities,
                     .firmware = firmware_for(context, profile, capabilities->binary),
                     .host = host::read_facts(context.root, needs),
                     .paths = context.paths,
                     .config = *config,
                     .record = {.machine = std::move(record->machine)},
                     .base_format = base_format(context, profile),
                     .claims = options.claimed ? *options.claimed : run::claims_of_others(place),
                     .had = run::claims_of(place).functions,
                     .made_vfs = run::cards_with_made_vfs(place),
                     .baseline = *std::move(baseline)});
  if (!machine) return std::unexpected(placed(std::move(machine).error(), *loaded));
  auto plan = plan::make_plan(*machine);
  warn_of_unverified_iso(context, plan);
  warn_of_idle_ksm(context, loaded->profile, plan);
  return Planned{*std::move(loaded), std::move(plan)};
}

std::expected<LoadedLaunch, Errors> load_launch(const Context& context, const std::string& vm) {
  auto loaded = load_profile(context, vm);
  if (!loaded) return std::unexpected(std::move(loaded).error());
  const auto& profile = loaded->profile;
  const auto capabilities = load_capabilities(context, binary_of(profile));
  if (!capabilities) return std::unexpected(Errors{capabilities.error()});
  auto record = run::load_record({context.root, context.paths, profile.name.value});
  if (!record) return std::unexpected(Errors{std::move(record).error()});
  auto facts = host::read_facts(context.root, {.cpu = true});
  auto machine =
      plan::resolve_launch({.profile = profile,
                            .qemu = *capabilities,
                            .firmware = firmware_for(context, profile, capabilities->binary),
                            .host = facts,
                            .paths = context.paths,
                            .config = {},
                            .record = {.machine = std::move(record->machine)}});
  if (!machine) return std::unexpected(placed(std::move(machine).error(), *loaded));
  machine->qemu = nullptr;  // It ends here.
  return LoadedLaunch{*std::move(loaded), *std::move(machine), std::move(facts.cpu)};
}

Result<run::Place> place_of(const Context& context, const std::string& vm) {
  const auto name = is_path(vm) ? stem_of(vm) : vm;
  if (!profiles::is_vm_name(name))
    return fail(Fault::usage, "bad-name", "'{}' cannot be the name of a VM", printable(name));
  return run::Place{context.root, context.paths, name};
}

Result<run::Place> guest_of(const Context& context, const std::string& vm) {
  auto place = TRY(place_of(context, vm));
  if (context.root.exists(place.directory()) || context.root.exists(place.record())) return place;
  TRY(find_profile(context, vm));
  return place;
}

}  // namespace hv::commands
