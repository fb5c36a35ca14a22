// SPDX-License-Identifier: MIT
#include "launcher/run/handover.h"

#include "launcher/run/records.h"

#include <boost/describe.hpp>
#include <boost/json.hpp>

namespace hv::profiles {
BOOST_DESCRIBE_ENUM(Confinement, strict, standard, off)
BOOST_DESCRIBE_ENUM(ReadyKind, qmp, agent, tcp, serial_match)
}  // namespace hv::profiles

namespace hv::plan {
BOOST_DESCRIBE_ENUM(Handle, lock, listener, connection, tap, vhost_net, vhost_vsock, directory,
                    file, writable_file, direct_file)
BOOST_DESCRIBE_ENUM(Access, read, write, device, function, make_sockets)
BOOST_DESCRIBE_STRUCT(Cause, (), (pointer, rule, why))
BOOST_DESCRIBE_STRUCT(Argument, (), (option, value, cause))
BOOST_DESCRIBE_STRUCT(Descriptor, (), (number, handle, path, cause))
BOOST_DESCRIBE_STRUCT(Grant, (), (path, access, cause))
BOOST_DESCRIBE_STRUCT(Cage, (),
                      (confinement, user, grants, internet, unix_sockets, connects, makes_code,
                       places_memory, locks_memory, io_uring, native_aio))
}  // namespace hv::plan

namespace hv::run {

namespace json = boost::json;

BOOST_DESCRIBE_STRUCT(PinState, (), (vcpus, emulator, iothreads, helpers, policy, priority))

namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20U;

/// profiles::Ready, without the places in the profile.
struct ReadyWhen {
  profiles::ReadyKind kind = profiles::ReadyKind::qmp;
  std::string address;
  std::string text;
  std::uint64_t timeout_seconds = 0;
};
BOOST_DESCRIBE_STRUCT(ReadyWhen, (), (kind, address, text, timeout_seconds))

/// The file's members; plan::Plan's of the same names.
struct Written {
  std::string vm;
  std::string binary;
  std::string accelerator;
  std::string machine;
  std::vector<plan::Argument> arguments;
  std::vector<plan::Descriptor> descriptors;
  PinState pins;
  std::uint64_t locked_memory_mib = 0;
  plan::Cage cage;
  ReadyWhen ready;
  bool watch = false;
  bool paused = false;
};
BOOST_DESCRIBE_STRUCT(Written, (),
                      (vm, binary, accelerator, machine, arguments, descriptors, pins,
                       locked_memory_mib, cage, ready, watch, paused))

/// Every member of a plan is named here, so that one that comes new is not forgotten.
Written written(const plan::Plan& plan, FirstState first_state) {
  const auto& [vm, architecture, binary, qemu_version, accelerator, uuid, vcpus, memory_mib,
               arguments, descriptors, files, steps, pins, claims, locked_memory_mib, cage, disks,
               nics, display, console, tty, watch, shutdown, ready, record, features, warnings] =
      plan;
  return {.vm = vm,
          .binary = binary,
          .accelerator = accelerator,
          .machine = record.machine,
          .arguments = arguments,
          .descriptors = descriptors,
          .pins = state_of(plan).pins,
          .locked_memory_mib = locked_memory_mib,
          .cage = cage,
          .ready = {.kind = ready.kind.value,
                    .address = ready.address.value,
                    .text = ready.text.value,
                    .timeout_seconds = ready.timeout_seconds.value},
          .watch = watch,
          .paused = first_state == FirstState::paused};
}

}  // namespace

Result<> hand_over(const Place& place, const plan::Plan& plan, FirstState first_state) {
  return place.root.replace(place.file("plan.json"),
                            json::serialize(json::value_from(written(plan, first_state))));
}

Result<Handover> take_over(const Place& place) {
  const auto text = place.root.read(place.file("plan.json"), largest_file);
  boost::system::error_code error;
  const auto value = json::parse(text.value_or(""), error, {}, {.max_depth = 8});
  auto read = json::try_value_to<Written>(value);
  if (error || !read || read->vm != place.vm)
    return std::unexpected(with_hint(
        {.fault = Fault::state,
         .id = "not-prepared",
         .message = fmt::format("'{}' is not prepared to be started", place.vm)},
        fmt::format("`hvlaunch prepare {}` comes first; `hvlaunch start` does it all", place.vm)));
  plan::Plan plan{};
  plan.vm = std::move(read->vm);
  plan.binary = std::move(read->binary);
  plan.accelerator = std::move(read->accelerator);
  plan.record.machine = std::move(read->machine);
  plan.arguments = std::move(read->arguments);
  plan.descriptors = std::move(read->descriptors);
  GuestState state;
  state.pins = std::move(read->pins);
  plan.pins = pins_of(state);
  plan.locked_memory_mib = read->locked_memory_mib;
  plan.cage = std::move(read->cage);
  plan.watch = read->watch;
  plan.ready = {.kind = {read->ready.kind},
                .address = {std::move(read->ready.address)},
                .text = {std::move(read->ready.text)},
                .timeout_seconds = {read->ready.timeout_seconds}};
  return Handover{std::move(plan), read->paused ? FirstState::paused : FirstState::running};
}

}  // namespace hv::run
