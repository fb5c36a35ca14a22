// SPDX-License-Identifier: MIT
#include "profiles/profile.h"

#include <doctest/doctest.h>

using namespace hv::profiles;

namespace {

/// "ok", or the problems as users see them, hints left out.
std::string outcome(const std::string& text) {
  const auto profile = parse_profile({"p", text});
  if (profile) return "ok";
  std::string lines;
  for (auto error : profile.error()) {
    error.hint.clear();
    lines += (lines.empty() ? "" : "\n") + hv::describe(error);
  }
  return lines;
}

/// The same for a profile that has what it must, and `members` on its second line.
std::string outcome_of(const std::string& members) {
  return outcome("{\"name\": \"a\", \"cpus\": 4, \"memory_mb\": 512,\n" + members + "}");
}

struct Row {
  std::string text;
  std::string expected;
};

}  // namespace

TEST_CASE("documents") {
  static const std::string deep = std::string(40, '[') + std::string(40, ']');
  const Row rows[] = {
      {R"({"name": "a", "cpus": 1, "memory_mb": 256})", "ok"},
      {"/* a */ {\"name\": \"a\", // b\n\"cpus\": 1, \"memory_mb\": 256,} // end", "ok"},
      {R"({"_a": 1, "_a": {"b": 1}, "name": "a", "cpus": 1, "memory_mb": 256})", "ok"},
      {"", "p:1:1: error: the file is empty [json-syntax]"},
      {" \n ", "p:1:1: error: the file is empty [json-syntax]"},
      {"// nothing", "p:1:11: error: the text ends within the profile [json-syntax]"},
      {"{\"a\": 1", "p:1:8: error: the text ends within the profile [json-syntax]"},
      {"\xef\xbb\xbf{}", "p:1:1: error: a byte order mark [json-syntax]"},
      {"\xff\xfe{", "p:1:1: error: a byte order mark [json-syntax]"},
      {"\x7f"
       "ELF\x02",
       "p:1:1: error: control character 0x7f [json-syntax]"},
      {"{'name': 1}", "p:1:2: error: ''' is not expected here [json-syntax]"},
      {"{\"name\" 1}", "p:1:9: error: '1' is not expected here [json-syntax]"},
      {"{\"a\": 1\n \"b\": 2}", "p:2:2: error: '\"' is not expected here [json-syntax]"},
      {"{name: 1}", "p:1:2: error: 'n' is not expected here [json-syntax]"},
      {"# no\n{}", "p:1:1: error: '#' is not expected here [json-syntax]"},
      {"{} {}", "p:1:4: error: more text after the end of the profile [json-syntax]"},
      {"{\"a\": \"b\nc\"}", "p:1:9: error: control character 0x0a [json-syntax]"},
      {"{\"a\": \"\x80\"}",
       "p:1:8: error: byte 0x80 where none is allowed, or broken UTF-8 [json-syntax]"},
      {deep, "p:1:33: error: nested more than 32 deep [json-syntax]"},
      {"[]", "p:1:1: error: expected an object, found a list [wrong-type]"},
      {"null", "p:1:1: error: expected an object, found null [wrong-type]"},
      {"{}",
       "p:1:1: error: missing member 'name' [missing-member]\n"
       "p:1:1: error: missing member 'cpus' [missing-member]\n"
       "p:1:1: error: missing member 'memory_mb' [missing-member]"},
      {"{\"name\": \"a\",\n \"cpus\": 1, \"cpus\": 0,\n \"memory_mb\": 256, \"x\": 1}",
       "p:2:13: error: /cpus: 'cpus' is given twice [duplicate-member]\n"
       "p:2:21: error: /cpus: 0 is not a whole number from 1 to 4096 [out-of-range]\n"
       "p:3:20: error: /x: unknown member 'x' [unknown-member]"},
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    CHECK_EQ(outcome(text), expected);
  }
  CHECK_EQ(outcome(std::string("{\0}", 3)), "p:1:2: error: control character 0x00 [json-syntax]");
  CHECK_EQ(outcome("{\"" + std::string(2000, 'k') + "\": 1}"),
           "p:1:2003: error: a name of more than 1024 bytes [json-syntax]");
}

TEST_CASE("each field, right and wrong") {
  const Row rows[] = {
      {R"x("description": "a b", "owner": "o", "os": "windows")x", "ok"},
      {R"x("description": "a\u001bb")x",
       "p:2:16: error: /description: 'a\\x1bb' holds a control character [bad-value]"},
      {R"x("description": "a\u009bb")x",
       "p:2:16: error: /description: 'a\\u{009b}b' holds a control character [bad-value]"},
      {R"x("description": "\u007f", "owner": "\u0000")x",
       "p:2:16: error: /description: '\\x7f' holds a control character [bad-value]\n"
       "p:2:35: error: /owner: '\\x00' holds a control character [bad-value]"},
      {R"x("description": "überall ✓")x", "ok"},
      {R"x("owner": 1, "os": ["x"])x",
       "p:2:10: error: /owner: expected a string, found 1 [wrong-type]\n"
       "p:2:19: error: /os: expected a string, found a list [wrong-type]"},
      {R"x("name2": "a")x", "p:2:1: error: /name2: unknown member 'name2' [unknown-member]"},
      {R"x("labels": {"a": "b", "_c": 1})x", "ok"},
      {R"x("labels": {"a": 1, "b\n": "c", "d/e": "\t"})x",
       "p:2:17: error: /labels/a: expected a string, found 1 [wrong-type]\n"
       "p:2:27: error: /labels/b\\x0a: the name 'b\\x0a' holds a control character [bad-value]\n"
       "p:2:39: error: /labels/d~1e: '\\x09' holds a control character [bad-value]"},
      {R"x("labels": "x")x",
       "p:2:11: error: /labels: expected an object, found the string 'x' [wrong-type]"},
      {R"x("uuid": "5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77")x", "ok"},
      {R"x("uuid": "5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b7")x",
       "p:2:9: error: /uuid: '5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b7' is not a UUID like "
       "5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77 [bad-value]"},
      {R"x("uuid": "")x", "ok"},
      {R"x("arch": "riscv64", "accel": "tcg", "machine": "virt", "cpu": "max")x", "ok"},
      {R"x("arch": "aarch46", "accel": "KVM")x",
       "p:2:9: error: /arch: 'aarch46' is not one of x86_64, aarch64, riscv64, loongarch64 "
       "[bad-value]\n"
       "p:2:29: error: /accel: 'KVM' is not one of auto, kvm, tcg [bad-value]"},
      {R"x("arch": 64)x", "p:2:9: error: /arch: expected a string, found 64 [wrong-type]"},
      {R"x("machine": "q35,x=1", "cpu": "host,+x", "arch": "x86")x",
       "p:2:12: error: /machine: 'q35,x=1' is not a model's name: letters, digits, '.', '_', '+' "
       "or '-' [bad-value]\n"
       "p:2:30: error: /cpu: 'host,+x' is not a model's name: letters, digits, '.', '_', '+' or "
       "'-' [bad-value]\n"
       "p:2:49: error: /arch: 'x86' is not one of x86_64, aarch64, riscv64, loongarch64 "
       "[bad-value]"},
      {R"x("cpu_topology": {"sockets": 1, "dies": 1, "cores": 2, "threads": 2})x", "ok"},
      {R"x("cpu_topology": {"cores": 3})x",
       "p:2:17: error: /cpu_topology: the topology has 3 CPUs, 'cpus' says 4 [conflict]"},
      {R"x("cpu_topology": {"cores": 0, "thread": 2})x",
       "p:2:27: error: /cpu_topology/cores: 0 is not a whole number from 1 to 1024 [out-of-range]\n"
       "p:2:30: error: /cpu_topology/thread: unknown member 'thread' [unknown-member]"},
      {R"x("cpu_topology": 4)x",
       "p:2:17: error: /cpu_topology: expected an object, found 4 [wrong-type]"},
      {R"x("cpu_topology": {})x", "ok"},
      {R"x("numa": {"nodeset": "0-1,3"})x", "ok"},
      {R"x("numa": {"nodeset": "1-0"})x",
       "p:2:21: error: /numa/nodeset: '1-0' is not a set of numbers like 0-1,3, each at most 1023 "
       "[bad-value]"},
      {R"x("numa": {"nodeset": "0-99999999999999999999"}, "hugepages": "yes")x",
       "p:2:21: error: /numa/nodeset: '0-99999999999999999999' is not a set of numbers like 0-1,3, "
       "each at most 1023 [bad-value]\n"
       "p:2:61: error: /hugepages: expected true or false, found the string 'yes' [wrong-type]"},
      {R"x("numa": {"node": "0"})x",
       "p:2:10: error: /numa/node: unknown member 'node' [unknown-member]"},
      {R"x("hugepages": true)x", "ok"},
      {R"x("cpu_pinning": [0, 1, 2])x", "ok"},
      {R"x("cpu_pinning": [0, -1, 1.5, "2", 99999])x",
       "p:2:20: error: /cpu_pinning/1: -1 is not a whole number from 0 to 8191 [out-of-range]\n"
       "p:2:24: error: /cpu_pinning/2: expected a whole number, found 1.5 [wrong-type]\n"
       "p:2:29: error: /cpu_pinning/3: expected a whole number, found the string '2' [wrong-type]\n"
       "p:2:34: error: /cpu_pinning/4: 99999 is not a whole number from 0 to 8191 [out-of-range]"},
      {R"x("cpu_pinning": 3)x",
       "p:2:16: error: /cpu_pinning: expected a list, found 3 [wrong-type]"},
      {R"x("cpu_features": {"shstk": true, "ibt": false, "avic": "prefer", "fred": true, "zhaoxin_centaur_leaves": true})x",
       "ok"},
      {R"x("cpu_features": {"sev_snp": true, "ciphertext_hiding": true, "secure_tsc": true})x",
       "ok"},
      {R"x("cpu_features": {"ciphertext_hiding": true, "secure_tsc": 1})x",
       "p:2:39: error: /cpu_features/ciphertext_hiding: 'ciphertext_hiding' needs 'sev_snp' "
       "[conflict]\n"
       "p:2:59: error: /cpu_features/secure_tsc: expected true, \"prefer\" or false, found 1 "
       "[wrong-type]"},
      {R"x("cpu_features": {"shstack": true})x",
       "p:2:18: error: /cpu_features/shstack: unknown member 'shstack' [unknown-member]"},
      {R"x("cpu_features": {"sev": true}, "arch": "aarch64")x",
       "p:2:25: error: /cpu_features/sev: 'sev' is a feature of x86_64, not of aarch64 [conflict]"},
      {R"x("memory_options": {"guest_memfd": true, "private": true})x",
       "p:2:52: error: /memory_options/private: 'private' needs 'sev_snp' or 'tdx' [conflict]"},
      {R"x("memory_options": {"privat": true})x",
       "p:2:20: error: /memory_options/privat: unknown member 'privat' [unknown-member]"},
      {R"x("firmware": "uefi")x", "ok"},
      {R"x("firmware": "efi")x",
       "p:2:13: error: /firmware: 'efi' is not one of auto, none, bios, uefi [bad-value]"},
      {R"x("firmware": 1)x",
       "p:2:13: error: /firmware: expected a string or an object, found 1 [wrong-type]"},
      {R"x("firmware": null)x",
       "p:2:13: error: /firmware: expected a string or an object, found null [wrong-type]"},
      {R"x("firmware": {"type": "uefi", "secure_boot": true, "code": "/c", "vars": "/v"})x", "ok"},
      {R"x("firmware": {"type": "bios", "secure_boot": true, "vars": "/v"})x",
       "p:2:45: error: /firmware/secure_boot: 'secure_boot' needs 'type' 'uefi' [conflict]\n"
       "p:2:59: error: /firmware/vars: 'vars' needs 'type' 'uefi' [conflict]"},
      {R"x("firmware": {"vars": "/v", "mode": 1})x",
       "p:2:22: error: /firmware/vars: 'vars' needs the 'code' that it belongs to [conflict]\n"
       "p:2:28: error: /firmware/mode: unknown member 'mode' [unknown-member]"},
      {R"x("firmware": {"type": "none", "code": "/c"}, "kernel": "/k")x",
       "p:2:38: error: /firmware/code: 'code' is firmware, and 'type' is 'none' [conflict]"},
      {R"x("firmware": "none")x",
       "p:2:13: error: /firmware: without firmware there must be a 'kernel' to start [conflict]"},
      {R"x("firmware": "bios", "arch": "loongarch64")x",
       "p:2:13: error: /firmware: there is no bios for loongarch64 [conflict]"},
      {R"x("firmware": {"code": "../c", "type": "uefi"})x",
       "p:2:22: error: /firmware/code: '../c' is not a path without '..' [bad-value]"},
      {R"x("ready": "agent")x", "ok"},
      {R"x("ready": {"type": "tcp", "address": "[2001:db8::7]:22", "timeout_seconds": 9})x", "ok"},
      {R"x("ready": {"type": "tcp", "address": "nas.local:22"})x",
       "p:2:37: error: /ready/address: 'nas.local:22' is not an address and a port, like "
       "192.0.2.7:22 or [2001:db8::7]:22 [bad-value]"},
      {R"x("ready": {"type": "tcp", "address": "192.0.2.7:65536"})x",
       "p:2:37: error: /ready/address: '192.0.2.7:65536' is not an address and a port, like "
       "192.0.2.7:22 or [2001:db8::7]:22 [bad-value]"},
      {R"x("ready": {"type": "tcp", "text": "login:"})x",
       "p:2:19: error: /ready/type: 'type' 'tcp' needs 'address' [conflict]\n"
       "p:2:34: error: /ready/text: 'type' 'tcp' has no use for 'text' [conflict]"},
      {R"x("ready": "serial-match")x",
       "p:2:10: error: /ready: 'type' 'serial-match' needs 'text' [conflict]"},
      {R"x("ready": {"type": "serial-match", "text": "x"}, "console": "none", "watch": false)x",
       "p:2:19: error: /ready/type: 'serial-match' reads the console, and there is none "
       "[conflict]\n"
       "p:2:19: error: /ready/type: 'serial-match' needs 'watch', which keeps what the console "
       "prints [conflict]"},
      {R"x("kernel": "k", "initrd": "/i", "cmdline": "a=b")x", "ok"},
      {R"x("initrd": "/i", "cmdline": "a=b")x",
       "p:2:11: error: /initrd: 'initrd' needs 'kernel' [conflict]\n"
       "p:2:28: error: /cmdline: 'cmdline' needs 'kernel' [conflict]"},
      {R"x("kernel": "a/../b", "initrd": "/i")x",
       "p:2:11: error: /kernel: 'a/../b' is not a path without '..' [bad-value]"},
      {R"x("kernel": "/k", "firmware": "uefi")x", "ok"},
      {R"x("kernel": 7)x", "p:2:11: error: /kernel: expected a string, found 7 [wrong-type]"},
      {R"x("disk_gb": 0)x", "ok"},
      {R"x("disk_gb": "1T", "disk_format": "AUTO_DETECT")x", "ok"},
      {R"x("disk_gb": "512M")x",
       "p:2:12: error: /disk_gb: '512M' is not a whole number of GiB [out-of-range]"},
      {R"x("disk_gb": "20")x",
       "p:2:12: error: /disk_gb: '20' is not a size like \"8G\" or \"512M\" [bad-value]"},
      {R"x("disk_gb": "99999999999P")x",
       "p:2:12: error: /disk_gb: '99999999999P' is larger than any memory or disk [out-of-range]"},
      {R"x("disk_gb": -1)x",
       "p:2:12: error: /disk_gb: -1 is not a whole number from 0 to 4294967296 GiB [out-of-range]"},
      {R"x("disk_gb": 1e400)x",
       "p:2:12: error: /disk_gb: a huge number is not a whole number from 0 to 4294967296 GiB "
       "[out-of-range]"},
      {R"x("disk_gb": 18446744073709551616)x",
       "p:2:12: error: /disk_gb: 1.8446744073709552e+19 is not a whole number from 0 to 4294967296 "
       "GiB [out-of-range]"},
      {R"x("disk_gb": 18446744073709551615)x",
       "p:2:12: error: /disk_gb: 18446744073709551615 is not a whole number from 0 to 4294967296 "
       "GiB [out-of-range]"},
      {R"x("disk_gb": 2.5)x",
       "p:2:12: error: /disk_gb: expected a whole number, found 2.5 [wrong-type]"},
      {R"x("disk_image_path": "/i.qcow2", "disk_format": "qcow2")x", "ok"},
      {R"x("disk_image_path": "/i.qcow2", "disk_format": "raw")x",
       "p:2:47: error: /disk_format: a disk on top of 'disk_image_path' cannot be 'raw' "
       "[conflict]"},
      {R"x("disk_image_path": "/i.qcow2", "disk_gb": 0)x",
       "p:2:20: error: /disk_image_path: a disk image, and 'disk_gb' is 0: no disk [conflict]"},
      {R"x("disk_image_path": "..", "disk_format": "vmdk")x",
       "p:2:20: error: /disk_image_path: '..' is not a path without '..' [bad-value]\n"
       "p:2:41: error: /disk_format: 'vmdk' is not one of qcow2, raw, AUTO_DETECT [bad-value]"},
      {R"x("storage": {"cache": "none", "io": "native"})x", "ok"},
      {R"x("storage": {"io": "native"})x", "ok"},
      {R"x("storage": {"cache": "writeback", "io": "native"})x",
       "p:2:41: error: /storage/io: 'native' needs 'cache' 'none' or 'directsync', not 'writeback' "
       "[conflict]"},
      {R"x("storage": {"cache": "no", "io": "native"})x",
       "p:2:22: error: /storage/cache: 'no' is not one of writeback, none, writethrough, "
       "directsync, unsafe [bad-value]"},
      {R"x("storage": {"io": "uring"})x",
       "p:2:19: error: /storage/io: 'uring' is not one of threads, native, io_uring [bad-value]"},
      {R"x("iso_path": "a.iso")x", "ok"},
      {R"x("iso_path": "/a/..", "cloud_init": "x")x",
       "p:2:13: error: /iso_path: '/a/..' is not a path without '..' [bad-value]\n"
       "p:2:36: error: /cloud_init: expected an object, found the string 'x' [wrong-type]"},
      {R"x("cloud_init": {"seed_iso_path": "/s"})x", "ok"},
      {R"x("cloud_init": {"user_data_path": "/u", "meta_data_path": "/m", "network_config_path": "/n"})x",
       "ok"},
      {R"x("cloud_init": {"seed_iso_path": "/s", "user_data_path": "/u", "network_config_path": "/n"})x",
       "p:2:57: error: /cloud_init/user_data_path: 'seed_iso_path' is a whole seed: nothing can be "
       "added to it [conflict]\n"
       "p:2:86: error: /cloud_init/network_config_path: 'seed_iso_path' is a whole seed: nothing "
       "can be added to it [conflict]"},
      {R"x("cloud_init": {"user_data": "/u"})x",
       "p:2:16: error: /cloud_init/user_data: unknown member 'user_data' [unknown-member]"},
      {R"x("network": {"mode": "nat"})x", "ok"},
      {R"x("network": {"mode": "bridge", "bridge": "br0", "vhost": true, "zone": "a"})x", "ok"},
      {R"x("network": {"mode": "bridge", "bridge": "AUTO_DETECT"})x", "ok"},
      {R"x("network": {"zone": "dmz"})x", "ok"},
      {R"x("network": {"mode": "bridge"})x",
       "p:2:21: error: /network/mode: mode 'bridge' needs 'bridge' or 'zone' [conflict]"},
      {R"x("network": {"mode": "bridge", "bridge": "br 0"})x",
       "p:2:41: error: /network/bridge: 'br 0' is not the name of a bridge: at most 15 letters, "
       "digits, '.', '_' or '-' [bad-value]"},
      {R"x("network": {"mode": "bridged", "bridge": "br0"})x",
       "p:2:21: error: /network/mode: 'bridged' is not one of user, nat, bridge, none [bad-value]"},
      {R"x("network": {"mode": "none", "bridge": "br0", "zone": "z"})x",
       "p:2:39: error: /network/bridge: mode 'none' has no use for 'bridge' [conflict]\n"
       "p:2:54: error: /network/zone: mode 'none' has no use for 'zone' [conflict]"},
      {R"x("network": {"vhost": true})x",
       "p:2:22: error: /network/vhost: mode 'user' cannot have 'vhost' [conflict]"},
      {R"x("network": {"bridge": "a-bridge-too-far"})x",
       "p:2:23: error: /network/bridge: 'a-bridge-too-far' is not the name of a bridge: at most 15 "
       "letters, digits, '.', '_' or '-' [bad-value]"},
      {R"x("network": {"mode": "user", "bridge": ""})x", "ok"},
      {R"x("mode": "user")x", "p:2:1: error: /mode: unknown member 'mode' [unknown-member]"},
      {R"x("console": "virtio", "watch": false)x", "ok"},
      {R"x("console": "tty", "watch": 0)x",
       "p:2:12: error: /console: 'tty' is not one of serial, virtio, none [bad-value]\n"
       "p:2:28: error: /watch: expected true or false, found 0 [wrong-type]"},
      {R"x("display": {"type": "vnc", "heads": 2})x", "ok"},
      {R"x("display": {"type": "none", "headless": true})x", "ok"},
      {R"x("display": {"headless": true})x", "ok"},
      {R"x("display": {"type": "spice", "headless": true})x",
       "p:2:42: error: /display/headless: 'headless' is no display, and 'type' is 'spice' "
       "[conflict]"},
      {R"x("display": {"heads": 2}, "video": {"heads": 3})x",
       "p:2:22: error: /display/heads: 2 heads here, and 3 at /video/heads [conflict]"},
      {R"x("display": {"heads": 0}, "video": {"heads": 17})x",
       "p:2:22: error: /display/heads: 0 is not a whole number from 1 to 16 [out-of-range]\n"
       "p:2:45: error: /video/heads: 17 is not a whole number from 1 to 16 [out-of-range]"},
      {R"x("display": {"type": "sdl"})x",
       "p:2:21: error: /display/type: 'sdl' is not one of spice, vnc, none [bad-value]"},
      {R"x("video": {"heads": 2}, "audio": {"model": "ich9"})x", "ok"},
      {R"x("audio": {"model": "sb16"})x",
       "p:2:20: error: /audio/model: 'sb16' is not one of none, ich9, ac97, virtio [bad-value]"},
      {R"x("looking_glass": {"enable": true, "size_mb": "128M"})x", "ok"},
      {R"x("looking_glass": {"enable": 1, "size_mb": 96})x",
       "p:2:29: error: /looking_glass/enable: expected true or false, found 1 [wrong-type]\n"
       "p:2:43: error: /looking_glass/size_mb: 96 is not a power of two [out-of-range]"},
      {R"x("looking_glass": {"size_mb": 16})x",
       "p:2:30: error: /looking_glass/size_mb: 16 is not a whole number from 32 to 4096 MiB "
       "[out-of-range]"},
      {R"x("tpm": {"enable": true}, "memballoon": {"disable": true})x", "ok"},
      {R"x("tpm": true, "memballoon": {"enable": true})x",
       "p:2:8: error: /tpm: expected an object, found true [wrong-type]\n"
       "p:2:29: error: /memballoon/enable: unknown member 'enable' [unknown-member]"},
      {R"x("hostdevs": ["0000:01:00.0", "02:00.0"])x", "ok"},
      {R"x("hostdevs": ["0000:01:00.0", "01:00.0", "1:00.0", 5, "1:00.0"])x",
       "p:2:30: error: /hostdevs/1: '0000:01:00.0' is in the list already [conflict]\n"
       "p:2:41: error: /hostdevs/2: '1:00.0' is not a PCI address like 0000:65:00.0 "
       "[bad-pci-address]\n"
       "p:2:51: error: /hostdevs/3: expected a string or an object, found 5 [wrong-type]\n"
       "p:2:54: error: /hostdevs/4: '1:00.0' is not a PCI address like 0000:65:00.0 "
       "[bad-pci-address]"},
      {R"x("limits": {"cpu_quota_percent": 1000, "memory_max_mb": "1G"})x", "ok"},
      {R"x("limits": {"cpu_quota_percent": 0, "memory_max_mb": 128})x",
       "p:2:33: error: /limits/cpu_quota_percent: 0 is not a whole number from 1 to 100000 "
       "[out-of-range]\n"
       "p:2:53: error: /limits/memory_max_mb: 128 is not a whole number from 256 to 4294967296 MiB "
       "[out-of-range]"},
      {R"x("limits": {"memory_high_mb": 2048, "memory_max_mb": "2G", "io_read_mb_per_second": 0})x",
       "p:2:30: error: /limits/memory_high_mb: 'memory_high_mb' is 2048, and 'memory_max_mb' 2048: "
       "it "
       "would be killed before it is slowed down [conflict]\n"
       "p:2:84: error: /limits/io_read_mb_per_second: 0 is not a whole number from 1 to 1000000 "
       "MiB "
       "[out-of-range]"},
      {R"x("autostart": true, "autostart_group": "g", "autostart_priority": 100)x", "ok"},
      {R"x("autostart": "true", "autostart_group": 1, "autostart_priority": 101)x",
       "p:2:14: error: /autostart: expected true or false, found the string 'true' [wrong-type]\n"
       "p:2:41: error: /autostart_group: expected a string, found 1 [wrong-type]\n"
       "p:2:66: error: /autostart_priority: 101 is not a whole number from 0 to 100 "
       "[out-of-range]"},
      {R"x("shutdown": {"agent_seconds": 0, "acpi_seconds": 3600, "quit_seconds": 1, "term_seconds": 2})x",
       "ok"},
      {R"x("shutdown": {"agent_seconds": 3601, "acpi_seconds": null})x",
       "p:2:31: error: /shutdown/agent_seconds: 3601 is not a whole number from 0 to 3600 "
       "[out-of-range]\n"
       "p:2:53: error: /shutdown/acpi_seconds: expected a whole number, found null [wrong-type]"},
      {R"x("qemu": {"binary": "/q", "extra_args": [{"reason": "r", "args": ["-serial", "null"]}]})x",
       "ok"},
      {R"x("qemu": {"binary": "bin/q", "extra_args": [{"args": []}, {"reason": " ", "args": "x"}, 1]})x",
       "p:2:20: error: /qemu/binary: 'bin/q' is not an absolute path, or the name of a program in "
       "PATH [bad-value]\n"
       "p:2:44: error: /qemu/extra_args/0: missing member 'reason' [missing-member]\n"
       "p:2:69: error: /qemu/extra_args/1/reason: ' ' is not a reason [bad-value]\n"
       "p:2:82: error: /qemu/extra_args/1/args: expected a list, found the string 'x' "
       "[wrong-type]\n"
       "p:2:88: error: /qemu/extra_args/2: expected an object, found 1 [wrong-type]"},
      {R"x("qemu": {"extra_args": [{"reason": "r", "args": ["-daemonize", "--qmp", "unix:x", "-mon", "a\nb"]}]})x",
       "p:2:50: error: /qemu/extra_args/0/args/0: '-daemonize' cannot be passed to QEMU "
       "[refused-option]\n"
       "p:2:64: error: /qemu/extra_args/0/args/1: '--qmp' cannot be passed to QEMU "
       "[refused-option]\n"
       "p:2:83: error: /qemu/extra_args/0/args/3: '-mon' cannot be passed to QEMU "
       "[refused-option]\n"
       "p:2:91: error: /qemu/extra_args/0/args/4: 'a\\x0ab' holds a control character [bad-value]"},
      {R"x("memory_mib": 512)x",
       "p:2:1: error: /memory_mib: unknown member 'memory_mib' [unknown-member]"},
  };
  for (const auto& [text, expected] : rows) {
    CAPTURE(text);
    CHECK_EQ(outcome_of(text), expected);
  }
}
