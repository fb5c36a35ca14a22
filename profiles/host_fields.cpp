// SPDX-License-Identifier: MIT
//
// The fields that take something of the host for the guest alone: huge pages,
// CPUs, devices.
#include "profiles/decode.h"

namespace hv::profiles {
namespace {

/// An empty string is as good as none.
template <class T>
Sourced<std::optional<T>> optional_of(const Item& item, Result<T> (*parse)(std::string_view),
                                      const Form& form, const Doc& doc) {
  auto [value, pointer] = item.parsed(parse, form, doc);
  if (pointer.empty() || value == T{}) return {};
  return {std::move(value), std::move(pointer)};
}

HugePages read_huge_pages(Fields& fields) {
  constexpr std::uint64_t largest_kib = 16ULL << 20U;
  HugePages pages{
      .enable = fields["enable"].flag(
          false,
          {.text = "Whether to use them; `size` or `policy` alone mean yes", .example = "true"}),
      .size_kib = fields["size"].number(
          {.min = 64, .max = largest_kib, .fallback = 0, .unit = "KiB"},
          {.text = "Their size; without it, the kernel's default one", .example = "\"1G\""}),
      .policy = fields["policy"].word(
          huge_page_words, HugePagePolicy::require,
          {.text = "`require`: no start without them. `prefer`: ordinary pages if there are not "
                   "enough. `off`: none",
           .example = "\"prefer\""})};
  const auto& implied = pages.size_kib.given() ? pages.size_kib.pointer : pages.policy.pointer;
  if (!pages.enable.given() && !implied.empty()) pages.enable = {true, implied};
  if (pages.policy.value == HugePagePolicy::off) pages.enable.value = false;
  return pages;
}

/// Those of `place`, `near`, `vcpus` and `cpus` that are given.
std::vector<Sourced<VcpuPins>> read_vcpu_pins(Fields& fields) {
  const auto place = fields["place"].word(
      placement_words, Placement::one_node,
      {.text = "Cores by intent. `one-l3`: that share a last-level cache. `one-node`: of one NUMA "
               "node. `p-cores`, `e-cores`: of that kind. `spread`: evenly over all caches",
       .example = "\"one-l3\""});
  const auto near =
      optional_of(fields["near"], vfio::parse_pci_address, pci_address_form,
                  {.text = "Cores of the NUMA node of this device", .example = "\"0000:65:00.0\""});
  PinList list{.cpus = fields["vcpus"].list(
                   [](const Item& item) {
                     return item.parsed(parse_cpu_set, number_set_form,
                                        {.text = "Host CPUs of one vCPU", .example = "\"4\""});
                   },
                   {.text = "The host CPUs of each virtual CPU",
                    .example = "[\"4\", \"20\", \"5\", \"21\"]"})};
  auto [pool, pool_pointer] = fields["cpus"].parsed(
      parse_cpu_set, number_set_form,
      {.text = "Host CPUs for all virtual CPUs together", .example = "\"8-15\""});
  std::vector<Sourced<VcpuPins>> ways;
  if (!list.cpus.empty() && list.cpus.front().given()) {
    auto pointer = list.cpus.front().pointer;
    pointer.erase(pointer.rfind('/'));
    ways.push_back({std::move(list), std::move(pointer)});
  }
  if (!pool_pointer.empty()) ways.push_back({PinPool{std::move(pool)}, std::move(pool_pointer)});
  if (near.given()) ways.push_back({NearDevice{to_string(*near.value)}, near.pointer});
  if (place.given()) ways.push_back({place.value, place.pointer});
  return ways;
}

Scheduler read_scheduler(Fields& fields) {
  return {
      .policy = fields["policy"].word(
          policy_words, Policy::other,
          {.text = "As sched(7) has them. `fifo`, `rr`: real time, before all else on those CPUs",
           .example = "\"fifo\""}),
      .priority = fields["priority"].number(
          {.min = 1, .max = 99, .fallback = 0},
          {.text = "Of `fifo` and `rr`; without it, 1, the lowest", .example = "10"})};
}

Pinning read_pinning(Fields& fields) {
  const auto set = [&](std::string_view name, const Doc& doc) {
    return optional_of(fields[name], parse_cpu_set, number_set_form, doc);
  };
  auto ways = read_vcpu_pins(fields);
  Pinning pinning{
      .vcpus = ways.empty() ? Sourced<VcpuPins>() : ways.front(),
      .second_way = ways.size() > 1 ? ways[1].pointer : "",
      .emulator = set("emulator", {.text = "Host CPUs of QEMU's own threads; without it, those of "
                                           "the same node that no vCPU has",
                                   .example = "\"0-1\""}),
      .iothreads =
          set("iothreads", {.text = "Host CPUs of QEMU's I/O threads", .example = "\"2\""}),
      .helpers = set("helpers", {.text = "Host CPUs of vhost workers and helper programs; without "
                                         "it, those of QEMU's own threads",
                                 .example = "\"0-1\""}),
      .exclusive = {},
      .isolate = {},
      .scheduler = {},
      .smt = {}};
  auto exclusive = fields["exclusive"].flag(
      true, {.text = "No other guest may use the vCPUs' cores; with `cpus` the default is `false`",
             .example = "false"});
  if (exclusive.given()) pinning.exclusive = {exclusive.value, std::move(exclusive.pointer)};
  pinning.isolate = fields["isolate"].flag(
      false, {.text = "While the guest runs, the host's programs and interrupts stay off the "
                      "vCPUs' cores, which are then exclusive, and run at full clock; for root, "
                      "with systemd",
              .example = "true"});
  pinning.scheduler = fields["scheduler"].object(
      read_scheduler, {.text = "How the host's kernel schedules the vCPUs", .example = "\"fifo\""},
      "policy");
  auto smt = fields["smt"].word(
      smt_words, Smt::pair,
      {.text = "`pair`: SMT siblings of the host are siblings in the guest. `avoid`: one vCPU a "
               "core, the default with `spread`",
       .example = "\"avoid\""});
  if (smt.given()) pinning.smt = {smt.value, std::move(smt.pointer)};
  return pinning;
}

Sourced<VirtualFunction> read_virtual_function(Fields& fields) {
  VirtualFunction function{
      .count = fields["count"].number(
          {.min = 1, .max = 65535, .fallback = 0},
          {.text = "How many to make if there are none; without it, as many as there can be",
           .example = "4"}),
      .mac = fields["mac"].text({.form = mac_form},
                                {.text = "Its MAC address", .example = "\"52:54:00:12:34:56\""}),
      .vlan = fields["vlan"].number({.min = 1, .max = 4094, .fallback = 0},
                                    {.text = "Its VLAN", .example = "100"})};
  return {std::move(function), fields.given() ? fields.pointer() : ""};
}

HandOver read_hand_over(Fields& fields) {
  HandOver hand_over{
      .enable = fields["enable"].flag(
          false, {.text = "Whether to; the other members alone mean yes", .example = "true"}),
      .display_manager = fields["display_manager"].text(
          {.fallback = "display-manager.service", .form = model_form},
          {.text = "The unit that is stopped, and started again if it ran; `\"\"`: none",
           .example = "\"gdm.service\""}),
      .modules = fields["modules"].list(
          [](const Item& item) {
            return item.text({.fallback = std::nullopt, .form = model_form},
                             {.text = "A module of the kernel", .example = "\"nvidia_drm\""});
          },
          {.text = "Modules to unload before the device is taken, in this order; without it, those "
                   "of nvidia's driver, and none of others",
           .example = "[\"nvidia_drm\", \"nvidia_modeset\", \"nvidia\"]"})};
  if (hand_over.enable.given() || !fields.given()) return hand_over;
  hand_over.enable = {true, fields.pointer()};
  return hand_over;
}

HostDevice read_host_device(Fields& fields) {
  HostDevice device{
      .pointer = fields.pointer(),
      .address =
          optional_of(fields["address"], vfio::parse_pci_address, pci_address_form,
                      {.text = "Its PCI address; with `id` or others, it must still be that device",
                       .example = "\"0000:01:00.0\""}),
      .id = optional_of(fields["id"], vfio::parse_pci_id, pci_id_form,
                        {.text = "Its vendor and device", .example = "\"10de:2684\""}),
      .class_code = fields["class"].text(
          {.form = pci_class_form},
          {.text = "Its class: 2, 4 or 6 hexadecimal digits", .example = "\"0300\""}),
      .slot = fields["slot"].text(
          {}, {.text = "The slot it is in, as the firmware calls it", .example = "\"3\""}),
      .serial = fields["serial"].text(
          {}, {.text = "Its serial number", .example = "\"00-15-17-ff-ff-ab-cd-ef\""}),
      .path = fields["path"].text(
          {.form = path_form},
          {.text = "Where it is plugged in, which no new card elsewhere changes",
           .example = "\"pci0000:00/01.0/00.0\""}),
      .all_functions = fields["all_functions"].flag(
          false, {.text = "With all functions of the same card, as one card in the guest",
                  .example = "true"}),
      .siblings = fields["siblings"].word(
          siblings_words, vfio::Siblings::refuse,
          {.text = "Other devices of its IOMMU group that the host uses. `refuse`: no start. "
                   "`bind`: taken from the host, too, for as long as the guest runs",
           .example = "\"bind\""}),
      .even_if_used = fields["even_if_used"].flag(
          false, {.text = "Take it even if the host's disks, network or screen depend on it",
                  .example = "true"}),
      .driver = fields["driver"].text(
          {.form = model_form},
          {.text =
               "The driver that hands it over; without it, the one that the kernel has for such "
               "devices, like `mlx5_vfio_pci`, or else `vfio-pci`",
           .example = "\"vfio-pci\""}),
      .rom = fields["rom"].text(
          {.form = path_form},
          {.text = "An image of its option ROM", .example = "\"/var/lib/hypervisor/vbios.rom\""}),
      .primary_gpu = fields["primary_gpu"].flag(
          false, {.text = "The guest's firmware shows its screen on it", .example = "true"}),
      .hand_over = {},
      .virtual_function = {},
      .mdev = fields["mdev"].text(
          {.form = model_form},
          {.text = "A mediated device of this type, made on it", .example = "\"nvidia-63\""})};
  device.hand_over = fields["hand_over"].object(
      read_hand_over,
      {.text =
           "The host's screen leaves it first: the display manager is stopped, consoles and the "
           "firmware's framebuffer are released, modules unloaded; all comes back with it",
       .example = "true"},
      "enable");
  device.virtual_function = fields["vf"].object(
      read_virtual_function, {.text = "A virtual function of it instead of itself (SR-IOV)",
                              .example = "{\"mac\": \"52:54:00:12:34:56\"}"});
  return device;
}

}  // namespace

void read_host_resources(Fields& fields, Profile& profile) {
  profile.huge_pages = fields["hugepages"].object(
      read_huge_pages,
      {.text = "Memory from the host's huge pages, made at start if need be",
       .example = "{\"size\": \"1G\"}"},
      "enable");
  profile.cpu_pinning = fields["cpu_pinning"].list(
      [](const Item& item) {
        return item.number({.min = 0, .max = 8191},
                           {.text = "The number of a host CPU", .example = "4"});
      },
      {.text = "The host CPU of each virtual CPU; a short list is used again from its start",
       .example = "[4, 5, 6, 7]"});
  profile.pinning = fields["pinning"].object(
      read_pinning, {.text = "Where the guest's threads run", .example = "\"one-l3\""}, "place");
  profile.host_devices = fields["hostdevs"].list(
      [](const Item& item) {
        return item.object(read_host_device,
                           {.text = "A PCI device: its address, or what else tells it",
                            .example = "\"0000:01:00.0\""},
                           "address");
      },
      {.text = "Devices of the host that the guest gets, bound at start and given back at stop",
       .example = "[\"0000:01:00.0\", {\"id\": \"8086:10d3\"}]"});
}

}  // namespace hv::profiles
