#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The setup wizard, and what it does when all is answered.

bats_require_minimum_version 1.5.0
load lib/root
load lib/tmux
load lib/menu

setup() {
  menu_host
  reply ip 0 '^link (add name br0 type bridge|set dev br0 up)$'
  reply sysctl 0 '^-q -w vm.nr_hugepages=512$'
}
teardown() {
  close_terminal
  no_unexpected_calls
}

profiles=etc/hypervisor/vm-profiles
all=(--storage /srv/disks --bridge br0 --make-bridge --hugepages 512 --autostart-timeout 5
  --vm first --memory 2048 --cpus 2 --disk 8 --device 0000:01:00.0 --prefer-hugepages)

debian() { rm -f "$HV_ROOT/etc/NIXOS" && reply systemctl 0 '^is-active --quiet systemd-networkd$'; }

# page: quick-install#menu-first-boot
@test "on a host without VMs the wizard comes by itself, and makes the first" {
  debian
  on_terminal --service
  screen_has "Setup wizard"
  golden menu/wizard
  keys Enter
  screen_has "1 failed, 2 warnings"
  golden menu/wizard-host
  keys Enter
  screen_has "Where are the disks"
  keys Enter
  screen_has "How do VMs reach"
  golden menu/wizard-bridge
  pick '[new]'
  screen_has "The new bridge's name"
  keys Enter
  screen_has "none are reserved"
  golden menu/wizard-hugepages
  keys C-u
  type_text 512
  keys Enter
  screen_has "Make a first VM?"
  keys Enter
  screen_has "Its name"
  keys C-u
  type_text web
  keys Enter
  screen_has "Its memory"
  keys Enter
  screen_has "Its virtual CPUs"
  keys Enter
  screen_has "Its disk in GiB"
  keys Enter
  screen_has "Devices of the host for web"
  keys Space Tab Enter
  screen_has "after a countdown"
  keys Enter
  screen_has "This will be done"
  golden menu/wizard-summary
  [[ -z $(calls ip) && ! -e $HV_ROOT/$profiles/web.json ]]
  keys Enter
  screen_has "all is set up"
  keys Enter
  screen_has "web     stopped"
  [[ -e $HV_ROOT/var/lib/hypervisor/setup-done ]]
  [[ $(jq -c '[.cpus, .memory_mb, .network, .hugepages, .hostdevs]' "$HV_ROOT/$profiles/web.json") == \
    '[2,4096,{"mode":"bridge","bridge":"br0"},{"policy":"prefer"},["0000:01:00.0"]]' ]]
  [[ $(jq .features.autostart_timeout_sec "$HV_ROOT/etc/hypervisor/config.json") == 10 ]]
}

@test "the wizard comes neither where there are VMs, nor where it was told never to" {
  vm web
  on_terminal --service
  screen_has "More Options"
  close_terminal
  rm "$HV_ROOT/$profiles/web.json"
  on_terminal --service
  pick never
  screen_has "done"
  keys Enter
  screen_has "There is no VM yet"
  close_terminal
  on_terminal --service
  screen_has "There is no VM yet"
}

@test "later, and leaving the wizard anywhere, changes nothing" {
  before=$(tree_of etc var)
  on_terminal --service
  pick later
  screen_has "There is no VM yet"
  close_terminal
  on_terminal --service
  screen_has "Setup wizard"
  keys Enter
  screen_has "1 failed"
  keys Enter
  screen_has "Where are the disks"
  keys Escape
  screen_has "There is no VM yet"
  [[ $(tree_of etc/hypervisor var/lib/hypervisor | grep -v menu.log) == $(grep -E '^[0-9a-f ]*(etc/hypervisor|var/lib/hypervisor)' <<<"$before") ]]
}

@test "without boxes the wizard asks by numbers" {
  terminal_type=dumb on_terminal --service
  screen_has "Nothing is changed before"
  choose "Begin"
  screen_has "Enter goes on"
  keys Enter
  screen_has "Where are the disks"
  keys Enter
  choose "Through QEMU"
  screen_has "How many to reserve"
  keys Enter
  screen_has "Make a first VM?"
  type_text n
  keys Enter
  screen_has "after a countdown"
  keys Enter
  screen_has "This will be done"
  type_text y
  keys Enter
  screen_has "all is set up"
  [[ -e $HV_ROOT/var/lib/hypervisor/setup-done ]]
}

@test "all of it is done, and said before" {
  debian
  menu --dry-run setup "${all[@]}"
  [[ $status == 0 && $output == *"would run: 'ip' 'link' 'add'"*"would run: 'hvlaunch' 'create' 'first'"* ]]
  [[ -z $(calls ip) && ! -e $HV_ROOT/etc/hypervisor/config.json && ! -e $HV_ROOT/srv ]]
  menu setup "${all[@]}"
  [[ $status == 0 && ${lines[-1]} == "all is set up" ]]
  [[ $(readlink "$HV_ROOT/var/lib/hypervisor/disks") == "$HV_ROOT/srv/disks" && -d $HV_ROOT/srv/disks ]]
  [[ $(<"$HV_ROOT/etc/sysctl.d/60-hvlaunch-hugepages.conf") == vm.nr_hugepages=512 ]]
  grep -qx 'Kind=bridge' "$HV_ROOT/etc/systemd/network/40-br0.netdev"
  [[ $(calls ip) == "'link' 'add' 'name' 'br0' 'type' 'bridge'"$'\n'"'link' 'set' 'dev' 'br0' 'up'" ]]
  run "$HVLAUNCH" check "$HV_ROOT/$profiles/first.json"
  [[ $status == 0 ]]
}

@test "on NixOS it is said what the configuration needs, and /etc is left alone" {
  touch "$HV_ROOT/etc/NIXOS"
  menu setup --bridge br0 --make-bridge --hugepages 512
  [[ $status == 0 && $output == *"networking.bridges.br0"*"boot.kernel.sysctl"* ]]
  [[ ! -e $HV_ROOT/etc/systemd && ! -e $HV_ROOT/etc/sysctl.d ]]
}

@test "what is there is never overwritten" {
  debian
  vm first
  echo '{"mine": true}' >"$HV_ROOT/etc/hypervisor/config.json"
  mkdir -p "$HV_ROOT/etc/systemd/network" "$HV_ROOT/sys/class/net/br0/bridge"
  echo mine >"$HV_ROOT/etc/systemd/network/40-br0.netdev"
  before=$(cat "$HV_ROOT/$profiles/first.json" "$HV_ROOT/etc/hypervisor/config.json" "$HV_ROOT/etc/systemd/network/40-br0.netdev")
  menu setup "${all[@]}"
  [[ $status == 0 && $output == *"config.json is there already"*"there is a VM 'first' already"* ]]
  [[ $(cat "$HV_ROOT/$profiles/first.json" "$HV_ROOT/etc/hypervisor/config.json" "$HV_ROOT/etc/systemd/network/40-br0.netdev") == "$before" ]]
  ! calls ip | grep -q add
  # Disks that are there are not left behind.
  rm "$HV_ROOT/var/lib/hypervisor/disks"
  mkdir "$HV_ROOT/var/lib/hypervisor/disks"
  touch "$HV_ROOT/var/lib/hypervisor/disks/web.qcow2"
  menu setup --storage /srv/disks
  [[ $status == 1 && $output == *"there are disks in"* && -e $HV_ROOT/var/lib/hypervisor/disks/web.qcow2 ]]
}

@test "bad answers are refused before anything is done" {
  debian
  mkdir -p "$HV_ROOT/sys/class/net/eth0"
  touch "$HV_ROOT/srv"
  local words
  for words in "--storage disks" "--storage /srv" "--bridge br0/x --make-bridge" "--bridge br9" "--bridge eth0 --make-bridge" \
    "--autostart-timeout soon" "--hugepages -1" "--vm ../x" "--vm a.b --iso gone.iso" "--vm" "--nonsense"; do
    # shellcheck disable=SC2086 # words
    menu setup $words
    [[ $status == 64 || $status == 1 ]]
    [[ $output == *"hypervisor-menu: "* ]]
  done
  [[ -z $(calls ip)$(calls sysctl) && ! -e $HV_ROOT/var/lib/hypervisor/setup-done && -z $(ls "$HV_ROOT/$profiles") ]]
  # And what only hvlaunch knows to be wrong.
  menu setup --vm web --memory nonsense
  [[ $status == 1 && $output == *"the VM 'web' was not made"* && ! -e $HV_ROOT/var/lib/hypervisor/setup-done ]]
}

@test "each command failing in turn leaves nothing half-written, and the rerun does the rest" {
  debian
  reply_really mkdir chmod sync mv ln rmdir jq cat cmp readlink
  local at=0 fails=0 file
  while true; do
    at=$((at + 1))
    rm -rf "$HV_ROOT"/{srv,etc/systemd,etc/sysctl.d,etc/hypervisor/config.json,"$profiles"/first.json} "$HV_ROOT"/var/lib/hypervisor/{disks,setup-done}
    forget_calls
    fail_call $at
    menu setup "${all[@]}"
    (($(number_of_calls) >= at)) || break
    no_trouble
    while IFS= read -r file; do
      case $file in
      *.json) jq -e . "$file" >/dev/null ;;
      *.netdev) grep -qx Kind=bridge "$file" ;;
      *.network) grep -qx ConfigureWithoutCarrier=yes "$file" ;;
      *hugepages.conf) [[ $(<"$file") == vm.nr_hugepages=512 ]] ;;
      *setup-done) grep -q '^done at' "$file" ;;
      *) echo "at $at: what is $file?" && return 1 ;;
      esac
    done < <(find "$HV_ROOT"/etc/{hypervisor,systemd,sysctl.d} "$HV_ROOT/var/lib/hypervisor" -type f 2>/dev/null)
    ((status == 0)) || { fails=$((fails + 1)) && [[ ! -e $HV_ROOT/var/lib/hypervisor/setup-done ]]; }
    menu setup "${all[@]}"
    [[ $status == 0 && -e $HV_ROOT/$profiles/first.json && -e $HV_ROOT/etc/hypervisor/config.json && -L $HV_ROOT/var/lib/hypervisor/disks ]]
  done
  ((fails >= 10))
}
