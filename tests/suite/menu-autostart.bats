#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The countdown to the VM that ran last, before the menu.

bats_require_minimum_version 1.5.0
load lib/root
load lib/tmux
load lib/menu

setup() {
  menu_host
  vm web
  vm db
  last_vm web
}
teardown() {
  close_terminal
  no_unexpected_calls
}

last_vm() { echo "$1" >"$HV_ROOT/var/lib/hypervisor/last-vm"; }
config() { printf '%s\n' "$1" >"$HV_ROOT/etc/hypervisor/config.json"; }
started() { calls hvlaunch | grep -qx "'start' '$1'"; }

# of_menu COMMAND...: a function of the menu's, without the menu.
of_menu() {
  run env HV_ROOT="$HV_ROOT" bash -c 'set -Eeuo pipefail; cd "$0"; source lib/common.sh; dry_run=
    for part in vms autostart; do source lib/menu-$part.sh; done; "$@"' "$SOURCE_ROOT/scripts/suite" "$@"
}

# page: quick-install#menu-autostart
@test "the last VM starts when the seconds are over, and the menu comes after it" {
  config '{"features": {"autostart_timeout_sec": 2}}'
  on_terminal --service
  screen_has "web starts in 2 s; any key stops it"
  screen_has "running"
  screen_has "More Options"
  started web
  calls hvlaunch | grep -qx "'autostart' 'begin' 'web'"
}

# page: quick-install#menu-autostart
@test "any key stops the countdown, and is not the menu's first" {
  config '{"features": {"autostart_timeout_sec": 600}}'
  for key in Space Up F5 C-c; do
    rm -rf "$HV_ROOT/run/hypervisor-menu"
    on_terminal --service
    screen_has "web starts in"
    golden_line "web starts in 600 s; any key stops it"
    keys $key
    screen_has "Log in at this console"
    screen_has "web     stopped"
    close_terminal
  done
  ! started web
}

golden_line() { screen | grep -qxF -- "$1"; }

# page: quick-install#menu-autostart-off
@test "with 0 seconds there is no countdown" {
  config '{"features": {"autostart_timeout_sec": 0}}'
  on_terminal --service
  screen_has "More Options"
  ! started web
  [[ -e $HV_ROOT/run/hypervisor-menu/counted ]]
}

@test "the countdown comes once a boot" {
  config '{"features": {"autostart_timeout_sec": 600}}'
  mkdir -p "$HV_ROOT/run/hypervisor-menu"
  touch "$HV_ROOT/run/hypervisor-menu/counted"
  on_terminal --service
  screen_has "More Options"
  ! started web
}

@test "a menu that someone calls counts nothing down" {
  config '{"features": {"autostart_timeout_sec": 600}}'
  on_terminal
  screen_has "More Options"
}

@test "a start that fails is said in the menu" {
  config '{"features": {"autostart_timeout_sec": 1}}'
  reply hvlaunch 6 '^start web' 'error: no room'
  on_terminal --service
  screen_has "web was not started: its menu says why"
}

# page: quick-install#menu-autostart-config
@test "the seconds are those of config.json, and the default where it has none" {
  local rows=('{"features": {"autostart_timeout_sec": 0}}=0' '{"features": {"autostart_timeout_sec": 42}}=42'
    '{"features": {"autostart_timeout_sec": "7"}}=7' '{}=10' '{"features": {}}=10')
  of_menu autostart_seconds
  [[ $status == 0 && $output == 10 ]]
  for row in "${rows[@]}"; do
    config "${row%=*}"
    of_menu autostart_seconds
    [[ $status == 0 && $output == "${row##*=}" ]]
  done
}

@test "a config.json with errors is named, and the default is used" {
  local wrong
  for wrong in '{"features": ' '[]' '{"features": []}' '{"features": {"autostart_timeout_sec": -1}}' \
    '{"features": {"autostart_timeout_sec": 1.5}}' '{"features": {"autostart_timeout_sec": "soon"}}' \
    '{"features": {"autostart_timeout_sec": 1e9}}' '{"features": {"autostart_timeout_sec": true}}'; do
    config "$wrong"
    of_menu autostart_seconds
    [[ $status == 0 && ${lines[-1]} == 10 && ${lines[0]} == *"config.json"* ]]
  done
}

# page: quick-install#menu-autostart
@test "the kernel's command line, and what became of the VM, keep it from starting" {
  local row
  for row in 'hvlaunch.rescue=the kernel command line has hvlaunch.rescue' 'hvlaunch.autostart=off=hvlaunch.autostart=off' \
    'hvlaunch.autostart=db,nas=names others'; do
    printf 'quiet %s ro\n' "${row%=*}" >"$HV_ROOT/proc/cmdline"
    [[ $row != hvlaunch.autostart=off* ]] || printf 'quiet hvlaunch.autostart=off\n' >"$HV_ROOT/proc/cmdline"
    of_menu autostart_vm
    [[ $status == 0 && $output == *"'web', is not started: "*"${row##*=}"* ]]
  done
  for row in quiet hvlaunch.autostart=+lab hvlaunch.autostart=db,web hvlaunch.rescued; do
    printf '%s\n' "$row" >"$HV_ROOT/proc/cmdline"
    of_menu autostart_vm
    [[ $status == 0 && $output == web ]]
  done
}

@test "no VM, one that is gone, broken, running, or took the host down is not started" {
  touch "$HV_ROOT/run/web.runs"
  of_menu autostart_vm
  [[ $status == 0 && -z $output ]]
  rm "$HV_ROOT/run/web.runs"
  mkdir -p "$HV_ROOT/var/lib/hypervisor/records"
  echo '2 a-boot' >"$HV_ROOT/var/lib/hypervisor/records/web.start"
  of_menu autostart_vm
  [[ $output == *"the host went down twice"* ]]
  rm "$HV_ROOT/var/lib/hypervisor/records/web.start"
  vm web '{"name": "web", "cpus": 0}'
  of_menu autostart_vm
  [[ $output == *"its profile has errors"* ]]
  last_vm gone
  of_menu autostart_vm
  [[ $output == *"there is no such VM now"* ]]
  last_vm '../../etc/passwd'
  of_menu autostart_vm
  [[ $status == 0 && $output == *"does not hold the name of a VM"* ]]
  rm "$HV_ROOT/var/lib/hypervisor/last-vm"
  of_menu autostart_vm
  [[ $status == 0 && -z $output ]]
}

@test "the last VM is written whole or not at all" {
  reply_really mkdir mktemp chmod mv cat
  local at=0
  while true; do
    at=$((at + 1))
    forget_calls
    fail_call $at
    of_menu vm_start db
    (($(number_of_calls) >= at)) || break
    no_trouble
    [[ $(<"$HV_ROOT/var/lib/hypervisor/last-vm") =~ ^(web|db)$ ]]
    [[ $(find "$HV_ROOT/var/lib/hypervisor" -name 'last-vm*' | wc -l) == 1 ]]
    last_vm web
    rm -f "$HV_ROOT/run/db.runs"
  done
  ((at > 5))
}
