// SPDX-License-Identifier: MIT
//
// A host's CPUs, memory, devices and who runs where as a picture: for the
// terminal, 80 columns wide, and as an SVG file that needs nothing else. Pure.
#pragma once

#include "launcher/host/near_devices.h"
#include "launcher/host/topology.h"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace hv::host {

/// A vCPU of a running guest, and the CPUs that it may run on.
struct PlacedVcpu {
  std::string guest;
  std::uint64_t vcpu = 0;
  CpuSet cpus{};
};

struct Picture {
  const Topology& host;
  std::span<const NearDevice> devices{};
  std::span<const PlacedVcpu> vcpus{};
  std::string title = "Host topology";
};

enum class Charset : std::uint8_t { ascii, utf8 };

[[nodiscard]] std::string topology_text(const Picture& picture, Charset charset);
[[nodiscard]] std::string topology_svg(const Picture& picture);

// What both drawings are made from.

/// Cores of one kind that share a cache, within one node and die.
struct CoreGroup {
  const Cache* cache = nullptr;
  CpuKind kind = CpuKind::uniform;
  std::vector<const Core*> cores{};
};

struct NodePart {
  const Node* node = nullptr;
  std::vector<CoreGroup> groups{};
  std::vector<const NearDevice*> devices{};  ///< On the first part of a node.
};

struct PackagePart {
  std::uint32_t number = 0;
  std::vector<NodePart> nodes{};
};

/// Who runs where, with a letter a guest.
struct Tenants {
  struct Guest {
    std::string name;
    std::string letter;  ///< "a", … "z", "*".
    std::uint64_t vcpus = 0;
    CpuSet cpus{};
  };
  struct Use {
    std::size_t guest = 0;
    std::string label;  ///< "a3": vCPU 3 of guest a; "a+": several; "++": of several.
    std::string who;    ///< "web vCPU 3, vCPU 4".
  };
  std::vector<Guest> guests;
  std::map<std::uint32_t, Use> uses;  ///< By CPU.
};

[[nodiscard]] std::vector<PackagePart> parts_of(const Picture& picture);
[[nodiscard]] Tenants tenants_of(const Picture& picture);

/// Devices that no part shows: their node is unknown, or has no CPUs.
[[nodiscard]] std::vector<const NearDevice*> devices_elsewhere(const Picture& picture);

/// Nodes of memory without CPUs.
[[nodiscard]] std::vector<const Node*> nodes_without_cpus(const Topology& host);

/// "L3 32 MiB, CPUs 8-15,72-79"; "P-cores, shared L3 24 MiB, CPUs 0-11".
[[nodiscard]] std::string title_of(const CoreGroup& group);

/// "2 packages, 64 cores, 128 CPUs, 2 NUMA nodes, 512 GiB".
[[nodiscard]] std::string summary_of(const Topology& host);

/// "64 GiB, 24 GiB free".
[[nodiscard]] std::string memory_of(const Node& node);

/// "2 MiB: 4090 of 4096 free"; pools without pages are left out.
[[nodiscard]] std::vector<std::string> pools_of(const Node& node);

/// What is said below the picture: "offline: CPUs 9".
[[nodiscard]] std::vector<std::string> notes_of(const Topology& host);

/// In huge pages, and free, of a node's memory.
struct MemoryShares {
  double huge = 0;
  double free = 0;
};
[[nodiscard]] MemoryShares shares_of(const Node& node);

/// How many of `count` to put in a row that takes `most`: rows of one length,
/// if that leaves them at least half full.
[[nodiscard]] std::size_t per_row(std::size_t count, std::size_t most);

}  // namespace hv::host
