#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# hv: the host at a glance, and the way to other commands.

load lib/root
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  mkdir -p "$HV_ROOT/dev" "$STATE"
  : >"$HV_ROOT/dev/kvm"
  reply hvlaunch 0 '^--version$' 'hvlaunch 0.1.0'
  reply hvlaunch 0 '^--json list$' '[{"name":"web","state":"running","vcpus":2,"memory_mib":2048},{"name":"db","state":"stopped"}]'
  reply hvlaunch 0 '^--json doctor$' '{"fail":0,"warn":1,"checks":[{"status":"warn","title":"IOMMU","found":"off"}]}'
  reply hvlaunch 0 '^--help$' $'Guests:\n  start       start a guest\n  autostart list show'
  reply systemctl 0 '^is-system-running' running
  reply systemctl 0 '^is-active hypervisor-menu' active
  reply systemctl 0 'state=failed' ''
}

hv() { run script suite/hv "$@"; }

# page: upgrade-management#hv-system-status
@test "system-status shows a host that is well" {
  hv system-status
  [[ $status == 0 ]]
  contains "NixOS 26.05.20260531" "hvlaunch 0.1.0" "running, 0 failed; menu active" "1 running of 2" "0 failing, 1 warnings" "never tested" "/var/log/hypervisor"
  [[ $output != *attention* ]]
  no_unexpected_calls
}

@test "system-status names what needs attention, and its status says so" {
  rm "$HV_ROOT/dev/kvm"
  reply systemctl 0 'state=failed' 'sshd.service loaded failed failed SSH'
  reply systemctl 3 '^is-active hypervisor-menu' failed
  reply hvlaunch 6 '^--json doctor$' '{"fail":1,"warn":0,"checks":[{"status":"fail","title":"KVM","found":"no module"}]}'
  reply hvlaunch 0 '^--json list$' '[{"name":"web","state":"unresponsive"}]'
  printf 'verdict: failed\ntime: today\n' >"$STATE/upgrade-test-result"
  printf 'to: %s\n' "$NEW" >"$STATE/update-available"
  hv system-status
  [[ $status == 1 ]]
  contains "unit sshd.service has failed" "the console menu has failed" "doctor: KVM: no module" "guest web does not answer" \
    "there is no /dev/kvm" "the last upgrade test has failed" "available: $NEW"
}

@test "system-status is JSON for programs" {
  hv system-status --json
  [[ $status == 0 ]]
  [[ $(jq -c '[.kvm, .units.state, (.guests | length), .host.warn, .upgrades.test, .attention]' <<<"$output") == '[true,"running",2,1,null,[]]' ]]
}

@test "system-status says what it cannot find out, whatever fails" {
  reply hvlaunch 70
  hv system-status
  [[ $status == 1 ]]
  contains "hvlaunch cannot say"
  reply hvlaunch 0 '' 'no JSON at all'
  hv system-status
  contains "hvlaunch cannot say"
  reply systemctl 1
  hv system-status --json
  [[ $(jq -c '[.guests, .units.failed]' <<<"$output") == '[null,[]]' ]]
}

# page: upgrade-management#hv-vm-list
@test "vm-list shows all machines and their state" {
  hv vm-list
  [[ $status == 0 && ${#lines[@]} == 3 ]]
  [[ ${lines[0]} == NAME*STATE*VCPUS*MEMORY && ${lines[1]} =~ ^web\ +running\ +2\ +2048M$ && ${lines[2]} =~ ^db\ +stopped\ +-\ +-$ ]]
  hv vm-list --json
  [[ $(jq length <<<"$output") == 2 ]]
}

@test "vm-list without machines says how to make one, and passes errors on" {
  reply hvlaunch 0 '^--json list$' '[]'
  hv vm-list
  [[ $status == 0 ]]
  contains "no virtual machines; hvlaunch create NAME makes one"
  reply hvlaunch 7 '^--json list$' '{"errors":[]}'
  hv vm-list
  [[ $status == 1 ]]
  contains "hvlaunch cannot list the virtual machines"
}

# page: upgrade-management#hv-help
@test "help lists the commands, and explains each" {
  hv help
  [[ $status == 0 ]]
  contains system-status vm-list check-updates upgrade-test system-upgrade
  listing=$output
  hv
  [[ $output == "$listing" ]]
  hv --help
  [[ $output == "$listing" ]]
  for command in check-updates upgrade-test system-upgrade; do
    hv help "$command"
    [[ $status == 0 ]]
    contains "usage: hv-$command"
  done
}

@test "a word of hvlaunch is answered with the command to use" {
  hv start 'my web'
  [[ $status == 64 ]]
  contains "'start' is a command of hvlaunch" "use: hvlaunch start 'my web'"
  hv vm-start web
  contains "use: hvlaunch start web"
  hv autostart list
  contains "use: hvlaunch autostart list"
  hv statr web
  [[ $status == 64 ]]
  contains "no command 'statr'" "hv help"
}

@test "the upgrade's commands can be had as words of hv" {
  hv check-updates
  [[ $status == 0 && -e $STATE/update-available ]]
  hv upgrade-test --nonsense
  [[ $status == 64 ]]
  contains "hv-upgrade-test: no option '--nonsense'"
  hv system-upgrade --dry-run
  [[ $status == 1 ]]
  contains "no upgrade was tested"
}

@test "version is that of hvlaunch and of the host" {
  hv version
  [[ $output == $'hvlaunch 0.1.0\nNixOS 26.05.20260531.'* ]]
}

@test "words too many are refused" {
  hv vm-list web
  [[ $status == 64 ]]
  hv system-status now
  [[ $status == 64 ]]
}
