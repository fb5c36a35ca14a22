// SPDX-License-Identifier: MIT
//
// The CPUs of the hosts in tests/hosts. A machine with 128 CPUs has some
// thousand small files below /sys/devices/system; they are made from the few
// lines of tests/hosts/<name>/cpus.txt, which a reviewer can read:
//
//     group package=0 die=0 node=0 cores=0-7 threads=0-7,8-15 l2=1024 l3=32768
//         One last-level cache's cores, or one kind's. `cores`: their core_id.
//         `threads`: the CPU of each core, once for each SMT thread; "0-10/2"
//         is every second. `l2`, `l3` in KiB; `l2_cores` share an L2.
//     node 0 memory=65536 free=32768 distances=10,20 2048kB=64/60/0
//         MiB; huge pages: all/free/surplus.
//     file /sys/devices/cpu_core/cpus 0-11
//
// Groups of one `l3_id` share one L3.
#pragma once

#include "launcher/host/topology.h"
#include "tests/temp_tree.h"

#include <string>

/// Writes the files for a host's CPUs and nodes into `tree`, from a text.
void write_cpus(const TempTree& tree, const std::string& text);

/// The same from tests/hosts/<name>/cpus.txt.
void write_host_cpus(const TempTree& tree, const std::string& name);

/// What read_topology() gives for a host; read once.
[[nodiscard]] const hv::host::Topology& host_topology(const std::string& name);
