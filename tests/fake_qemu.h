// SPDX-License-Identifier: MIT
//
// A program that answers the probe as a QEMU would: it notes that it ran,
// greets, and answers each request by the first line of a table whose first
// word is part of the request.
#pragma once

#include "tests/temp_tree.h"

#include <algorithm>
#include <string>
#include <string_view>

constexpr std::string_view fake_replies = R"("qmp_capabilities" "return":{}
"query-version" "return":{"qemu":{"major":9,"minor":1,"micro":2},"package":"Fake"}
"query-target" "return":{"arch":"riscv64"}
"query-machines" "return":[{"name":"virt-9.1","alias":"virt","cpu-max":512,"default-cpu-type":"rv64-riscv-cpu"},{"name":"none","cpu-max":1}]
"implements" "return":[{"name":"rv64-riscv-cpu"},{"name":"any-riscv-cpu"}]
"qom-list-types" "return":[{"name":"virtio-blk-pci"},{"name":"rv64-riscv-cpu"},{"name":"a-device"}]
"query-commands" "return":[{"name":"quit"},{"name":"cont"},{"name":"query-cpu-model-expansion"}]
"query-command-line-options" "return":[{"option":"sandbox","parameters":[{"name":"spawn"}]},{"option":"name","parameters":[{"name":"x"}]},{"option":"","parameters":[]}]
"query-kvm" "return":{"enabled":false,"present":false}
"device-list-properties" "return":[{"name":"serial","type":"str"},{"name":"drive","type":"str"}]
"qom-list-properties" "return":[{"name":"pflash0","type":"str"},{"name":"acpi","type":"OnOffAuto"}]
"query-cpu-model-expansion" "return":{"model":{"name":"max","props":{"v":true,"h":false,"vlen":128}}}
"quit" "return":{}
"" "error":{"class":"CommandNotFound","desc":"no such command"}
)";

/// A shell loop over the requests on descriptor 3, which is the socket.
constexpr std::string_view fake_body = R"(echo ran >> "$0.runs"
echo '{"QMP":{"version":{"qemu":{"major":9,"minor":1,"micro":2},"package":""},"capabilities":["oob"]}}' >&3
echo '{"event":"RESUME","timestamp":{"seconds":1,"microseconds":2}}' >&3
while IFS= read -r request <&3; do
  id=${request##*'"id":'}
  id=${id%%[,\}]*}
  while IFS=' ' read -r words reply; do
    case $words in '""') words= ;; esac
    case $request in
    *"$words"*) printf '{"id":%s,%s}\n' "$id" "$reply" >&3 && break ;;
    esac
  done <"${0%/*}/replies"
done
)";

/// Puts a shell script in the tree; its real path.
inline std::string make_script(const TempTree& tree, std::string_view name, std::string_view body) {
  return tree.write(name, "#!/bin/sh\n" + std::string(body), 0755);
}

inline std::string make_fake_qemu(const TempTree& tree, std::string_view replies = fake_replies) {
  tree.write("/bin/replies", replies);
  return make_script(tree, "/bin/qemu-system-fake", fake_body);
}

/// How often the fake has been started.
inline auto runs_of_fake(const TempTree& tree) {
  return std::ranges::count(tree.read("/bin/qemu-system-fake.runs"), '\n');
}
