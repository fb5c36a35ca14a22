#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# VMs from elsewhere, snapshots, the backup of the configuration.

bats_require_minimum_version 1.5.0
load lib/root
load lib/tmux
load lib/menu

setup() {
  menu_host
  from=$BATS_TEST_TMPDIR/from
  mkdir "$from"
}
teardown() {
  close_terminal
  no_unexpected_calls
}

profile() { jq -c "$2" "$HV_ROOT/etc/hypervisor/vm-profiles/$1.json"; }

# page: quick-install#menu-migration
@test "a disk image becomes a VM, and stays as it is" {
  qemu-img create -q -f qcow2 "$from/old.qcow2" 3G
  before=$(sha256sum "$from/old.qcow2")
  menu import "$from/old.qcow2"
  [[ $status == 0 && $(profile old '[.disk_image_path, .disk_gb]') == "[\"$from/old.qcow2\",3]" ]]
  [[ $(sha256sum "$from/old.qcow2") == "$before" ]]
  menu import "$from/old.qcow2"
  [[ $status == 1 && $output == *"there is a VM 'old' already"* ]]
  qemu-img create -q -f qcow2 -b "$from/old.qcow2" -F qcow2 "$from/top.qcow2"
  menu import "$from/top.qcow2"
  [[ $status == 65 && $output == *"needs another image"* ]]
  qemu-img create -q -f vmdk "$from/other.vmdk" 1M
  menu import "$from/other.vmdk"
  [[ $status == 65 && $output == *"of the format vmdk"*"qemu-img convert"* ]]
}

# page: quick-install#menu-migration
@test "a profile of another host is checked, and taken over" {
  echo '{"name": "nas", "cpus": 4, "memory_mb": 1024, "network": {"mode": "none"}}' >"$from/nas.json"
  menu import "$from/nas.json" store
  [[ $status == 0 && $(profile store '[.name, .cpus, .network.mode]') == '["store",4,"none"]' ]]
  echo '{"name": "bad", "cpus": 0}' >"$from/bad.json"
  menu import "$from/bad.json"
  [[ $status == 65 && $output == *"missing member 'memory_mb'"* && ! -e $HV_ROOT/etc/hypervisor/vm-profiles/bad.json ]]
}

domain() {
  cat >"$from/$1.xml" <<XML
<domain type='kvm'>
  <name>$1</name>
  <uuid>5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77</uuid>
  <memory unit='KiB'>2097152</memory>
  <vcpu placement='static'>3</vcpu>
  <os firmware='efi'><type arch='x86_64' machine='pc-q35-7.2'>hvm</type></os>
  <cputune><shares>2048</shares></cputune>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='cdrom'><source file='/srv/install.iso'/><target dev='sda'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/srv/a b.qcow2'/><target dev='vda'/></disk>
    <disk type='file' device='disk'><source file='/srv/second.qcow2'/><target dev='vdb'/></disk>
    <interface type='bridge'><mac address='52:54:00:12:34:56'/><source bridge='br7'/></interface>
    <hostdev mode='subsystem' type='pci'><source><address domain='0x0000' bus='0x65' slot='0x00' function='0x1'/></source></hostdev>
    <tpm model='tpm-crb'><backend type='emulator'/></tpm>
    <watchdog model='itco'/>
  </devices>
</domain>
XML
}

# page: quick-install#menu-migration
@test "a libvirt domain's basic facts are taken over, and it is said what was not" {
  domain win11
  menu import "$from/win11.xml"
  [[ $status == 0 ]]
  [[ $output == *"not taken over: disk 2 to 2, cputune, watchdog, the network card's MAC address; look at"* ]]
  [[ $(profile win11 '[.cpus, .memory_mb, .firmware, .disk_image_path, .iso_path, .network, .hostdevs, .tpm.enable, .uuid]') == \
    '[3,2048,"uefi","/srv/a b.qcow2","/srv/install.iso",{"mode":"bridge","bridge":"br7"},["0000:65:00.1"],true,"5f1c3a52-7d0e-4c5b-9d62-0a6f4a1e9b77"]' ]]
  run "$HVLAUNCH" check "$HV_ROOT/etc/hypervisor/vm-profiles/win11.json"
  [[ $status == 0 ]]
}

@test "what is no domain is refused with its cause" {
  echo '<domain><name>x</name>' >"$from/half.xml"
  echo '<network><name>x</name></network>' >"$from/network.xml"
  domain "odd name"
  domain nothing && sed -i '/<memory/d' "$from/nothing.xml"
  local row
  for row in "half=is not well-formed" "network=does not describe a libvirt domain" "odd name='odd name' cannot be the name" \
    "nothing=does not say how much memory"; do
    menu import "$from/${row%%=*}.xml"
    [[ $status == 6[45] && $output == *"${row#*=}"* ]]
  done
  menu import "$from/gone.xml"
  [[ $status == 1 && $output == *"there is no readable file"* ]]
  [[ -z $(ls "$HV_ROOT/etc/hypervisor/vm-profiles") ]]
}

@test "by keys a domain of this host's libvirt is imported" {
  domain win11
  mkdir -p "$HV_ROOT/etc/libvirt/qemu"
  cp "$from/win11.xml" "$HV_ROOT/etc/libvirt/qemu/"
  on_terminal
  pick '[more]'
  pick "Migration and import"
  screen_has "A libvirt domain of this host"
  keys Enter
  screen_has "The name of the VM"
  keys Enter
  screen_has "not taken over"
  keys Enter
  screen_has "Migration and import"
  [[ -e $HV_ROOT/etc/hypervisor/vm-profiles/win11.json ]]
}

a_disk() {
  vm web
  mkdir -p "$HV_ROOT/var/lib/hypervisor/disks"
  qemu-img create -q -f qcow2 "$HV_ROOT/var/lib/hypervisor/disks/web.qcow2" 8M
}

@test "a snapshot is taken, found, gone back to and deleted, of a stopped VM only" {
  a_disk
  disk=$HV_ROOT/var/lib/hypervisor/disks/web.qcow2
  menu snapshot list web
  [[ $status == 0 && $output == "no snapshots" ]]
  qemu-io -c 'write -q -P 1 0 4k' "$disk" >/dev/null
  menu snapshot take web clean
  [[ $status == 0 ]]
  menu snapshot take web clean
  [[ $status == 1 && $output == *"there is a snapshot 'clean' already"* ]]
  qemu-io -c 'write -q -P 2 0 4k' "$disk" >/dev/null
  touch "$HV_ROOT/run/web.runs"
  menu snapshot revert web clean
  [[ $status == 1 && $output == *"'web' is running"*"hvlaunch stop web"* ]]
  rm "$HV_ROOT/run/web.runs"
  menu snapshot revert web clean
  [[ $status == 0 ]]
  [[ $(qemu-io -c 'read -P 1 0 4k' "$disk") != *"verification failed"* ]]
  menu snapshot delete web gone
  [[ $status == 1 && $output == *"no snapshot 'gone'"* ]]
  menu snapshot delete web clean
  [[ $status == 0 ]]
  menu snapshot list web
  [[ $output == "no snapshots" ]]
}

@test "a VM without a disk, or whose disk is raw or not made yet, has no snapshots" {
  vm web
  menu snapshot list web
  [[ $status == 1 && $output == *"is not made yet"* ]]
  vm none '{"name": "none", "cpus": 1, "memory_mb": 256, "disk_gb": 0, "kernel": "/boot/vmlinuz"}'
  menu snapshot list none
  [[ $status == 1 && $output == *"has no disk of its own"* ]]
  menu snapshot list gone
  [[ $status == 1 && $output == *"there is no VM 'gone'"* ]]
  menu snapshot take web '-c'
  [[ $status != 0 ]]
}

# page: quick-install#menu-more-options
@test "by keys a snapshot is taken" {
  a_disk
  on_terminal
  pick '[more]'
  pick "Snapshots"
  pick "web"
  pick "Take one"
  screen_has "Its name"
  keys C-u
  type_text before
  keys Enter
  screen_has "take before: done"
  keys Enter
  screen_has "Snapshots of web"
  qemu-img snapshot -l "$HV_ROOT/var/lib/hypervisor/disks/web.qcow2" | grep -q before
}

@test "a backup has the configuration, and is whole or not there" {
  vm web
  menu backup
  [[ $status == 0 ]]
  tar -tzf "$HV_ROOT"/var/lib/hypervisor/backups/*.tar.gz | grep -qx etc/hypervisor/vm-profiles/web.json
  rm -r "$HV_ROOT/var/lib/hypervisor/backups"
  reply tar 2
  menu backup
  [[ $status == 1 && $output == *"the backup was not written"* && -z $(ls "$HV_ROOT/var/lib/hypervisor/backups") ]]
}

@test "unknown commands and options are refused, help is everywhere" {
  local words
  for words in "--help" "iso --help" "setup --help" "import --help" "snapshot --help" "backup --help" "gui --help"; do
    # shellcheck disable=SC2086 # words
    menu $words
    [[ $status == 0 && $output == *"usage: hypervisor-menu"* ]]
  done
  for words in "--nonsense" "nonsense" "--ui" "--ui gtk" "snapshot nonsense" "import" "gui now" "backup now"; do
    # shellcheck disable=SC2086 # words
    menu $words
    [[ $status == 64 ]]
  done
}

@test "only root may, and is told how" {
  ((EUID == 0)) || skip "needs root to become somebody else"
  chmod 0755 "$BATS_TEST_TMPDIR" "$HV_ROOT"
  cp -r "$SOURCE_ROOT/scripts/suite" "$BATS_TEST_TMPDIR/suite"
  chmod -R a+rX "$BATS_TEST_TMPDIR/suite" "$BATS_RUN_TMPDIR"
  run env HV_ROOT="$HV_ROOT" setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/suite/hypervisor-menu" iso list
  [[ $status == 77 && $output == *"only root may do this"*"sudo hypervisor-menu iso list"* ]]
}
