// SPDX-License-Identifier: MIT
//
// The words that profiles use for our enumerators. Where two words mean the
// same, the first is the one we print.
#pragma once

#include "profiles/pinning.h"
#include "profiles/profile.h"

#include <cstddef>
#include <string_view>

namespace hv::profiles {

template <class E>
struct Word {
  std::string_view word;
  E value;
};

inline constexpr Word<Arch> arch_words[] = {
    {"x86_64", Arch::x86_64},
    {"aarch64", Arch::aarch64},
    {"riscv64", Arch::riscv64},
    {"loongarch64", Arch::loongarch64},
};

inline constexpr Word<Accelerator> accelerator_words[] = {
    {"auto", Accelerator::automatic},
    {"kvm", Accelerator::kvm},
    {"tcg", Accelerator::tcg},
};

inline constexpr Word<FirmwareKind> firmware_words[] = {
    {"auto", FirmwareKind::automatic},
    {"none", FirmwareKind::none},
    {"bios", FirmwareKind::bios},
    {"uefi", FirmwareKind::uefi},
};

inline constexpr Word<ReadyKind> ready_words[] = {
    {"qmp", ReadyKind::qmp},
    {"agent", ReadyKind::agent},
    {"tcp", ReadyKind::tcp},
    {"serial-match", ReadyKind::serial_match},
    {"vsock-notify", ReadyKind::vsock_notify},
};

inline constexpr Word<HostSleep> host_sleep_words[] = {
    {"auto", HostSleep::automatic},    {"pause", HostSleep::pause},
    {"shutdown", HostSleep::shutdown}, {"inhibit", HostSleep::inhibit},
    {"ignore", HostSleep::ignore},
};

inline constexpr Word<DiskFormat> disk_format_words[] = {
    {"qcow2", DiskFormat::qcow2},
    {"raw", DiskFormat::raw},
    {"AUTO_DETECT", DiskFormat::qcow2},  // In templates of the older suite.
};

inline constexpr Word<DiskCache> disk_cache_words[] = {
    {"writeback", DiskCache::writeback},
    {"none", DiskCache::none},
    {"writethrough", DiskCache::writethrough},
    {"directsync", DiskCache::directsync},
    {"unsafe", DiskCache::unsafe},
};

inline constexpr Word<DiskIo> disk_io_words[] = {
    {"threads", DiskIo::threads},
    {"native", DiskIo::native},
    {"io_uring", DiskIo::io_uring},
};

inline constexpr Word<HugePagePolicy> huge_page_words[] = {
    {"require", HugePagePolicy::require},
    {"prefer", HugePagePolicy::prefer},
    {"off", HugePagePolicy::off},
};

inline constexpr Word<vfio::Siblings> siblings_words[] = {
    {"refuse", vfio::Siblings::refuse},
    {"bind", vfio::Siblings::bind},
};

inline constexpr Word<NetworkMode> network_mode_words[] = {
    {"user", NetworkMode::user},
    {"nat", NetworkMode::user},  // The older suite's word for it.
    {"bridge", NetworkMode::bridge},
    {"none", NetworkMode::none},
};

inline constexpr Word<Protocol> protocol_words[] = {
    {"tcp", Protocol::tcp},
    {"udp", Protocol::udp},
};

inline constexpr Word<DisplayKind> display_words[] = {
    {"spice", DisplayKind::spice},
    {"vnc", DisplayKind::vnc},
    {"none", DisplayKind::none},
};

inline constexpr Word<ConsoleKind> console_words[] = {
    {"serial", ConsoleKind::serial},
    {"virtio", ConsoleKind::virtio},
    {"none", ConsoleKind::none},
};

inline constexpr Word<Confinement> confinement_words[] = {
    {"default", Confinement::standard},
    {"strict", Confinement::strict},
    {"off", Confinement::off},
};

inline constexpr Word<NumaTopology> numa_topology_words[] = {
    {"none", NumaTopology::none},
    {"host", NumaTopology::host},
};

inline constexpr Word<NumaPolicy> numa_policy_words[] = {
    {"bind", NumaPolicy::bind},
    {"strict", NumaPolicy::bind},  // libvirt's word for it.
    {"preferred", NumaPolicy::preferred},
    {"interleave", NumaPolicy::interleave},
};

inline constexpr Word<Placement> placement_words[] = {
    {"one-l3", Placement::one_l3},   {"one-node", Placement::one_node},
    {"p-cores", Placement::p_cores}, {"e-cores", Placement::e_cores},
    {"spread", Placement::spread},
};

inline constexpr Word<Smt> smt_words[] = {
    {"pair", Smt::pair},
    {"avoid", Smt::avoid},
};

inline constexpr Word<Policy> policy_words[] = {
    {"other", Policy::other}, {"batch", Policy::batch}, {"idle", Policy::idle},
    {"fifo", Policy::fifo},   {"rr", Policy::rr},
};

/// The sound devices, by the names that Profile::audio_model holds.
inline constexpr Word<std::string_view> audio_words[] = {
    {"none", ""},
    {"ich9", "ich9"},
    {"ac97", "ac97"},
    {"virtio", "virtio"},
};

/// The word for `value`, from the table of its type.
template <class E, std::size_t N>
[[nodiscard]] constexpr std::string_view word_of(const Word<E> (&table)[N], E value) {
  for (const auto& [word, candidate] : table)
    if (candidate == value) return word;
  return {};
}

}  // namespace hv::profiles
