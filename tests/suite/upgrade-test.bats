#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# slow
# hv-upgrade-test: built in a copy, activated until the next boot, judged by what runs.

load lib/root
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  RESULT=$STATE/upgrade-test-result
}

# fails_with TEXT: nixos-rebuild says so and ends with 1.
fails_with() { reply nixos-rebuild 1 '^test ' "$1"; }

# assert_as_before: nothing of the host is what the test made of it.
assert_as_before() { [[ $(running) == old && $(boots) == old && $(tree_of etc) == "$ETC_BEFORE" ]]; }

# page: upgrade-management#test-downloads-builds
# page: upgrade-management#test-activates
# page: upgrade-management#test-saves-result
@test "the newest configuration is built and activated, and passes" {
  upgrade_test
  [[ $status == 0 && $(verdict) == passed ]]
  [[ $(calls nixos-rebuild) == "'test' '--flake' 'path:$STATE/upgrade/flake#hv1' '--override-input' 'hypervisor' 'path:$STATE/upgrade/hypervisor'" ]]
  [[ $(running) == new ]]
  contains "The upgrade test has passed: 26.05.20261101" "sudo hv-system-upgrade"
  no_unexpected_calls
  no_drafts
}

# page: upgrade-management#test-not-persistent
@test "the system that boots, and every file of the configuration, stay" {
  ETC_BEFORE=$(tree_of etc)
  upgrade_test
  [[ $status == 0 && $(boots) == old && $(tree_of etc) == "$ETC_BEFORE" ]]
  [[ $(calls nixos-rebuild) != *switch* && $(calls nixos-rebuild) != *boot* ]]
}

# page: upgrade-management#review-result
@test "the verdict says what was tested, when, and where the log is" {
  upgrade_test
  text=$(<"$RESULT")
  [[ $text == "verdict: passed"*"time: 20"*"flake: $FLAKE"*"host: hv1"*"log: $HV_ROOT/var/log/hypervisor/upgrade-test.log"* ]]
  [[ $text == *"identity: sha256:"*"base-lock: sha256:"*"from: 26.05.20260531"*"to: 26.05.20261101"*"release: 26.05"*"system: $HV_ROOT/nix/store/new"* ]]
  [[ $text == *"hv system-status"*"hv vm-list"*"journalctl -xe"* && $(stat -c %a "$RESULT") == 644 ]]
}

@test "only nixpkgs and folders get newer, and what flake.lock follows" {
  jq '.nodes.root.inputs += {other: "other", here: "here"} | .nodes += {other: {locked: {type: "github"}}, here: {locked: {type: "path"}}}' \
    "$PIN/flake.lock" >"$HV_ROOT/l" && mv "$HV_ROOT/l" "$PIN/flake.lock"
  reply_by nix '^flake lock path:' 'for last; do :; done; cp "${last#path:}/flake.lock" "$root/given.lock"; cp "$root/new.lock" "${last#path:}/flake.lock"'
  upgrade_test
  [[ $status == 0 && $(jq -c .nodes.root.inputs "$HV_ROOT/given.lock") == '{"other":"other"}' ]]
  jq '.nodes.root.inputs = {hypervisor: "hv", nixpkgs: ["hypervisor", "nixpkgs"]} | .nodes.hv = {inputs: {nixpkgs: "nixpkgs"}}' \
    "$HV_ROOT/new.lock" >"$PIN/flake.lock"
  reply_by nix '^flake lock --update-input hypervisor/nixpkgs path:' 'for last; do :; done; cp "$root/new.lock" "${last#path:}/flake.lock"'
  upgrade_test
  [[ $status == 0 ]]
}

# page: upgrade-management#keep-dependencies-updated
@test "inputs that were locked by hand are tested as they are" {
  lock_of 1111111111111111111111111111111111111111 1793000000 >"$PIN/flake.lock"
  upgrade_test --locked
  [[ $status == 0 && $(calls nix) != *lock* ]]
  [[ $(jq -r .nodes.nixpkgs.locked.rev "$STATE/upgrade/hypervisor/flake.lock") == 1111* ]]
}

@test "one flake in /etc/nixos does as well, and a host without a lock" {
  one_flake
  upgrade_test
  [[ $status == 0 && $(calls nixos-rebuild) == "'test' '--flake' 'path:$STATE/upgrade/flake#hv1'" ]]
  rm "$PIN/flake.lock"
  upgrade_test
  [[ $status == 0 && $(<"$RESULT") == *"base-lock: none"* && ! -e $PIN/flake.lock ]]
}

@test "options for nixos-rebuild are passed on" {
  upgrade_test --host other -- --option substituters ''
  [[ $status == 0 && $(calls nixos-rebuild) == "'test' '--flake' 'path:$STATE/upgrade/flake#other' '--override-input' 'hypervisor' 'path:$STATE/upgrade/hypervisor' '--option' 'substituters' ''" ]]
}

# page: upgrade-management#test-services
@test "a service that fails after it fails the test, and the system goes back" {
  ETC_BEFORE=$(tree_of etc)
  reply_by systemctl 'state=failed,auto-restart' 'echo "broken.service loaded failed failed Before and after"
    [[ $(readlink "$root/run/current-system") != *new ]] || echo "sshd.service loaded activating auto-restart SSH"'
  upgrade_test
  [[ $status == 1 && $(verdict) == failed ]]
  contains "sshd.service has failed since the upgrade was activated" "services or guests did not survive"
  [[ $output != *"broken.service has failed"* && $(<"$HV_ROOT/activations") == "old test" ]]
  assert_as_before
}

# page: upgrade-management#verify-menu
# page: upgrade-management#verify-hvlaunch
@test "the menu and each machine's unit have to be there afterwards" {
  reply_by systemctl 'state=active' '[[ $(readlink "$root/run/current-system") == *new ]] || printf "%s loaded active running x\n" hvlaunch@web.service hypervisor-menu.service'
  upgrade_test
  [[ $status == 1 ]]
  contains "hypervisor-menu.service is no longer active" "hvlaunch@web.service is no longer active"
  [[ $(calls systemctl) == *"'hvlaunch@*.service' 'hypervisor-menu.service'"* ]]
}

# page: upgrade-management#verify-vms
@test "guests that ran have to run on" {
  reply_by hvlaunch '^--json list$' 'if [[ $(readlink "$root/run/current-system") == *new ]]; then echo "[]"; else echo "[{\"name\":\"web\",\"state\":\"paused\"}]"; fi'
  upgrade_test
  [[ $status == 1 && $(running) == old ]]
  contains "guest web no longer runs"
}

# page: upgrade-management#failed-stays
# page: upgrade-management#failed-saves-details
# page: upgrade-management#failed-guidance
@test "a build that fails leaves the host as it was, with details and guidance" {
  ETC_BEFORE=$(tree_of etc)
  fails_with "error: builder for '/nix/store/x-qemu.drv' failed with exit code 2"
  upgrade_test
  [[ $status == 1 && ! -e $HV_ROOT/activations ]]
  contains "the upgrade test has failed; the system is as it was" "a package could not be built" "builder for '/nix/store/x-qemu.drv' failed"
  [[ $(<"$RESULT") == *"verdict: failed"*"problem: build"*"still: 26.05.20260531"*"said:"*"x-qemu.drv"*"what helps:"*"df -h /nix"* ]]
  assert_as_before
  no_drafts
}

@test "an activation that fails half-way is taken back" {
  ETC_BEFORE=$(tree_of etc)
  reply_by nixos-rebuild '^test ' 'ln -sfn ../nix/store/new "$root/run/current-system"; echo "warning: error(s) occurred while switching to the new configuration"; exit 4'
  upgrade_test
  [[ $status == 1 && $(<"$HV_ROOT/activations") == "old test" && $(<"$RESULT") == *"problem: activation"* ]]
  assert_as_before
}

@test "a way back that fails is not kept quiet" {
  reply_by nixos-rebuild '^test ' 'ln -sfn ../nix/store/new "$root/run/current-system"; exit 1'
  printf '#!/bin/sh\nexit 1\n' >"$HV_ROOT/nix/store/old/bin/switch-to-configuration"
  upgrade_test
  [[ $status == 1 ]]
  contains "that did not succeed in all; a reboot starts 26.05.20260531"
}

# page: upgrade-management#no-downgrade
# page: upgrade-management#never-downgrade
@test "a downgrade is refused before anything is built" {
  ETC_BEFORE=$(tree_of etc)
  reply nix 0 '^eval ' '{"release":"25.11","stateVersion":"24.05"}'
  upgrade_test
  [[ $status == 1 && $(calls nixos-rebuild) == '' && $(<"$RESULT") == *"problem: downgrade"* ]]
  contains "this would be NixOS 25.11, and 26.05 runs"
  reply nix 0 '^eval ' '{"release":"26.05","stateVersion":"26.11"}'
  upgrade_test
  [[ $status == 1 && $(calls nixos-rebuild) == '' ]]
  contains "this would be NixOS 26.05, and system.stateVersion is 26.11"
  lock_of "$NEW" 1700000000 >"$HV_ROOT/new.lock"
  reply nix 0 '^eval ' '{"release":"26.05","stateVersion":"26.05"}'
  upgrade_test
  [[ $status == 1 && $(calls nixos-rebuild) == '' ]]
  contains "is older than the one in use, of the same branch"
  assert_as_before
}

# page: upgrade-management#no-downgrade-branch
@test "a flake that names an older release is refused without evaluating it" {
  lock_of "$NEW" 1793500000 nixos-23.11 >"$HV_ROOT/new.lock"
  forget_calls
  upgrade_test
  [[ $status == 1 && $(calls nix) != *eval* ]]
  contains "this would be NixOS 23.11, and 26.05 runs" "name the release that runs, or a newer one"
}

# page: upgrade-management#newer-release-works
@test "a flake that names a newer release is tested like any upgrade" {
  sed -i s/nixos-26.05/nixos-26.11/ "$PIN/flake.nix"
  lock_of "$NEW" 1700000000 nixos-26.11 >"$HV_ROOT/new.lock"
  reply nix 0 '^eval ' '{"release":"26.11","stateVersion":"24.05"}'
  upgrade_test
  [[ $status == 0 && $(<"$RESULT") == *"release: 26.11"* ]]
}

# page: upgrade-management#test-log
# page: upgrade-management#audit-test-log
@test "all of it is in the log, and the journal follows it" {
  upgrade_test
  [[ $(<"$HV_ROOT/var/log/hypervisor/upgrade-test.log") == *"building"*"has passed"* ]]
  [[ $(<"$HV_ROOT/journal") == *"MESSAGE=test begins"*"OBJECT_SYSTEMD_UNIT=nixos-upgrade.service"*"MESSAGE=test passed: 26.05.20261101"* ]]
}

@test "a kernel that the test could not try is spoken of" {
  ln -sfn ../../nix/store/linux "$HV_ROOT/nix/store/new/kernel.link" && mv -T "$HV_ROOT/nix/store/new/kernel.link" "$HV_ROOT/nix/store/new/kernel"
  upgrade_test
  [[ $status == 0 ]]
  contains "It brings another kernel, which this could not try"
}

# page: upgrade-management#ci
@test "automation learns all from the exit status" {
  run -0 script suite/hv-upgrade-test
  fails_with "error: whatever"
  run -1 script suite/hv-upgrade-test
}

# page: upgrade-management#root-only-test
@test "only root may test an upgrade" {
  before=$(tree_of etc var)
  run not_root suite/hv-upgrade-test
  [[ $status == 77 && $(tree_of etc var) == "$before" ]]
  contains "only root may do this"
}

@test "a dry run evaluates, and changes nothing" {
  before=$(tree_of etc var)
  upgrade_test --dry-run
  [[ $status == 0 && $(tree_of etc var) == "$before" && $(calls nixos-rebuild) == '' ]]
  contains "would be NixOS 26.05" "would run: 'nixos-rebuild' 'test'"
  reply nix 1 '^eval '
  upgrade_test --dry-run
  [[ $status == 1 && $(tree_of etc var) == "$before" ]]
}

@test "two upgrades at once refuse" {
  mkdir -p "$STATE"
  exec 8>>"$STATE/.upgrade.lock"
  flock 8
  upgrade_test
  [[ $status == 75 && ! -e $RESULT ]]
  system_upgrade
  [[ $status == 75 ]]
  contains "another run of this kind is under way"
}

@test "what the upgrade starts does not hold the lock" {
  reply_by nixos-rebuild '^test ' 'ls -l /proc/$$/fd | grep -c upgrade.lock >"$root/held" || true; ln -sfn ../nix/store/new "$root/run/current-system"'
  upgrade_test
  [[ $status == 0 && $(<"$HV_ROOT/held") == 0 ]]
}

@test "an earlier pass does not outlive a test that is interrupted" {
  upgrade_test
  [[ $(verdict) == passed ]]
  ln -sfn ../nix/store/old "$HV_ROOT/run/current-system"
  # Ctrl-C while it builds, and while it activates.
  reply_by nixos-rebuild '^test ' 'ln -sfn ../nix/store/new "$root/run/current-system"; kill -TERM 0'
  upgrade_test
  [[ $status == 143 && $(verdict) == interrupted && $(running) == old ]]
  system_upgrade
  [[ $status == 1 ]]
  contains "did not come to its end"
}

@test "a disk that fills up is no pass" {
  reply_by nixos-rebuild '^test ' 'ln -sfn ../nix/store/new "$root/run/current-system"; rm "$root/var/lib/hypervisor/upgrade-test-result"; mkdir -p "$root/var/lib/hypervisor/upgrade-test-result/x"'
  upgrade_test
  [[ $status == 1 && $(running) == old ]]
  contains "cannot be written"
}

@test "words and names that are wrong are refused" {
  upgrade_test --fast
  [[ $status == 64 ]]
  upgrade_test --host 'a"; x'
  [[ $status == 64 ]]
  contains "is no name of a host"
  upgrade_test --help
  [[ $status == 0 ]]
  contains "usage: hv-upgrade-test"
}

@test "whatever command fails, the host is as before and the next run succeeds" {
  ETC_BEFORE=$(tree_of etc)
  reply_really cp mv sync
  upgrade_test
  last=$(number_of_calls)
  ((last >= 20))
  for ((call = 1; call <= last; call++)); do
    fresh_start
    fail_call "$call"
    upgrade_test
    assert_as_before_or_passed || { printf 'call %s\n%s\n' "$call" "$output" && return 1; }
    no_drafts
  done
  no_trouble
  upgrade_test
  [[ $status == 0 && $(verdict) == passed ]]
}

@test "killed anywhere, it can be run again" {
  ETC_BEFORE=$(tree_of etc)
  reply_really cp mv
  upgrade_test
  last=$(number_of_calls)
  for ((call = 1; call <= last; call++)); do
    fresh_start
    kill_at_call "$call"
    upgrade_test
    [[ $status == 137 && $(boots) == old && $(tree_of etc) == "$ETC_BEFORE" ]]
    # The journal's last entry comes after the verdict.
    [[ $(verdict) != passed || $(running) == new ]]
  done
  no_trouble
  upgrade_test
  [[ $status == 0 && $(verdict) == passed ]]
  no_drafts
}

fresh_start() {
  forget_calls
  rm -rf "$RESULT" "$HV_ROOT/journal"
  ln -sfn ../nix/store/old "$HV_ROOT/run/current-system"
}

# Only the journal, and a version that is only shown, may be missing from a pass.
assert_as_before_or_passed() {
  if [[ $status == 0 ]]; then
    [[ $(verdict) == passed && $(running) == new ]] && [[ $(sed -n "${call}s/\t.*//p" "$HV_ROOT/.stand-in/log") =~ ^(logger|nixos-version)$ ]]
  else
    [[ ! -e $RESULT || $(verdict) == failed || $(verdict) == interrupted ]] && assert_as_before
  fi
}
