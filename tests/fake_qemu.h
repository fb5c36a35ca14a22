// SPDX-License-Identifier: MIT
//
// A program that answers the probe as a QEMU would: it notes that it ran, then
// says what is in a file. The replies must carry the probe's ids, which count
// from 0 over both rounds.
#pragma once

#include "tests/temp_tree.h"

#include <algorithm>
#include <string>
#include <string_view>

constexpr std::string_view fake_replies = R"({"QMP":{"version":{},"capabilities":["oob"]}}
{"return":{}}
{"event":"RESUME","timestamp":{"seconds":1,"microseconds":2}}
{"id":0,"return":{"qemu":{"major":9,"minor":1,"micro":2},"package":"Fake"}}
{"id":1,"return":{"arch":"riscv64"}}
{"id":2,"return":[{"name":"virt-9.1","alias":"virt","cpu-max":512,"default-cpu-type":"rv64-riscv-cpu"},{"name":"none","cpu-max":1}]}
{"id":3,"return":[{"name":"virtio-blk-pci"},{"name":"rv64-riscv-cpu"},{"name":"a-device"}]}
{"id":4,"return":[{"name":"rv64-riscv-cpu"},{"name":"any-riscv-cpu"}]}
{"id":5,"return":[{"name":"quit"},{"name":"cont"}]}
{"id":6,"return":[{"option":"sandbox","parameters":[{"name":"spawn"}]},{"option":"name","parameters":[{"name":"x"}]},{"option":"","parameters":[]}]}
{"id":7,"error":{"class":"CommandNotFound","desc":"The command query-accelerators has not been found"}}
{"id":8,"return":{"enabled":false,"present":false}}
{"id":9,"return":[{"name":"serial","type":"str"},{"name":"drive","type":"str"}]}
{"id":10,"return":[{"name":"pflash0","type":"str"},{"name":"acpi","type":"OnOffAuto"}]}
{"id":11,"return":{}}
)";

/// Puts a shell script in the tree; its real path.
inline std::string make_script(const TempTree& tree, std::string_view name, std::string_view body) {
  return tree.write(name, "#!/bin/sh\n" + std::string(body), 0755);
}

inline std::string make_fake_qemu(const TempTree& tree, std::string_view replies = fake_replies) {
  tree.write("/bin/replies", replies);
  return make_script(tree, "/bin/qemu-system-fake",
                     "echo ran >> \"$0.runs\"\nexec cat \"${0%/*}/replies\" >&3\n");
}

/// How often the fake has been started.
inline auto runs_of_fake(const TempTree& tree) {
  return std::ranges::count(tree.read("/bin/qemu-system-fake.runs"), '\n');
}
