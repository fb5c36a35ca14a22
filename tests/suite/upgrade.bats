#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# slow
# hv-system-upgrade: only what was tested becomes what boots.

load lib/root
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  RESULT=$STATE/upgrade-test-result
  TESTED_LOCK=$(jq -cS . "$HV_ROOT/new.lock")
}

tested() {
  upgrade_test
  [[ $status == 0 ]] || { echo "$output" >&2 && return 1; }
  forget_calls
}

lock_now() { jq -cS . "$PIN/flake.lock"; }

# refused TEXT...: and nothing was done.
refused() {
  local before
  before=$(tree_of etc)
  system_upgrade
  [[ $status == 1 && $(boots) == old && $(calls nixos-rebuild) == '' && $(tree_of etc) == "$before" && ! -e $STATE/backups ]] &&
    contains "$@" && [[ $(<"$HV_ROOT/journal") == *"MESSAGE=upgrade refused: "* ]]
}

# page: upgrade-management#apply-permanent
# page: upgrade-management#apply-generation
# page: upgrade-management#apply-persists
@test "what was tested becomes the system that boots, as a new generation" {
  tested
  system_upgrade
  [[ $status == 0 && $(boots) == new && $(running) == new ]]
  [[ $(readlink "$HV_ROOT/nix/var/nix/profiles/system") == system-2-link ]]
  [[ $(calls nixos-rebuild) == "'switch' '--flake' 'path:$STATE/upgrade/flake#hv1' '--override-input' 'hypervisor' 'path:$STATE/upgrade/hypervisor'" ]]
  [[ $(lock_now) == "$TESTED_LOCK" && $(stat -c %a "$PIN/flake.lock") == 644 ]]
  contains "26.05.20261101.${NEW:0:7} boots from now on; system-2-link is its generation"
  no_unexpected_calls
  no_drafts
}

# page: upgrade-management#apply-checks-test
@test "without a test there is no upgrade" {
  refused "no upgrade was tested on this host" "sudo hv-upgrade-test"
}

# page: upgrade-management#test-before-production
@test "a test that failed, or never ended, is no pass" {
  reply nixos-rebuild 1 '^test ' 'NAR hash mismatch in input'
  upgrade_test
  forget_calls
  refused "the last test has failed: a download does not have the hash"
  sed -i 's/^verdict: .*/verdict: running/' "$RESULT"
  refused "did not come to its end"
  sed -i 's/^verdict: .*/verdict: maybe/' "$RESULT"
  refused "has no verdict that is known: 'maybe'"
}

@test "a pass of another configuration is stale" {
  tested
  for file in "$FLAKE/hardware-configuration.nix" "$PIN/flake.nix" "$PIN/configuration/users-local.nix"; do
    cp -a "$file" "$HV_ROOT/kept"
    echo '# changed' >>"$file"
    refused "has changed since it was tested"
    cp -a "$HV_ROOT/kept" "$file"
  done
  : >"$PIN/configuration/new.nix"
  refused "has changed since it was tested"
  rm "$PIN/configuration/new.nix"
  ln -s /nowhere "$FLAKE/link.nix"
  refused "has changed since it was tested"
  rm "$FLAKE/link.nix"
  system_upgrade
  [[ $status == 0 ]]
}

@test "a flake.lock that changed since the test is not overwritten" {
  tested
  lock_of 2222222222222222222222222222222222222222 1793600000 >"$PIN/flake.lock"
  refused "flake.lock' has changed since the test"
}

@test "a copy that is not what was tested is refused" {
  tested
  echo '# changed' >>"$STATE/upgrade/flake/flake.nix"
  refused "does not hold what was tested for 'hv1'"
  rm -r "$STATE/upgrade"
  refused "does not hold what was tested"
}

@test "a pass of another host is none" {
  tested
  root_file etc/hostname 0644 hv2
  refused "does not hold what was tested for 'hv2'"
}

@test "a pass does not keep for ever, nor come from the future" {
  tested
  sed -i "s/^time: .*/time: $(date -d '31 days ago' +%FT%T%z)/" "$RESULT"
  refused "older than 30 days"
  sed -i "s/^time: .*/time: $(date -d '2 days' +%FT%T%z)/" "$RESULT"
  refused "dated in the future"
  sed -i "s/^time: .*/time: soon/" "$RESULT"
  refused "does not say when it was"
}

@test "virtual machines and settings of the menu may change after the test" {
  tested
  echo '{"name":"web"}' >"$PIN/vm-profiles/web.json"
  echo '{}' >"$PIN/config.json"
  system_upgrade
  [[ $status == 0 ]]
}

# page: upgrade-management#upgrade-refuses-downgrade
@test "a downgrade is refused even if its test has passed" {
  tested
  printf '26.11.20261120.abcdef0' >"$HV_ROOT/nix/store/old/nixos-version"
  refused "refusing to downgrade: this would be NixOS 26.05, and 26.11.20261120.abcdef0 boots"
}

# page: upgrade-management#backup-before
@test "the configuration is copied before anything changes" {
  tested
  system_upgrade
  [[ $status == 0 && $(ls "$STATE/backups" | wc -l) == 1 && $(stat -c %a "$STATE/backups") == 700 ]]
  backup=$(echo "$STATE"/backups/*)
  cmp "$backup/nixos/flake.nix" "$FLAKE/flake.nix"
  [[ $(jq -r .nodes.nixpkgs.locked.rev "$backup/hypervisor/flake.lock") == "$OLD" ]]
  [[ $(stat -c %a "$backup/hypervisor/configuration/users-local.nix") == 600 ]]
}

@test "no copy, no upgrade" {
  tested
  : >"$STATE/backups"
  system_upgrade
  [[ $status == 1 && $(boots) == old && $(calls nixos-rebuild) == '' ]]
  contains "cannot be copied to '$STATE/backups', so nothing is changed"
}

# page: upgrade-management#roll-back
@test "it ends with how to roll back" {
  tested
  system_upgrade
  contains "sudo nixos-rebuild switch --rollback" "sudo cp $STATE/backups/" "/hypervisor/flake.lock $PIN/flake.lock"
}

@test "notices of the update go with it" {
  check_updates
  tested
  system_upgrade
  [[ $status == 0 && ! -e $STATE/update-available && ! -e $ETC/motd.d/updates-available ]]
}

# page: upgrade-management#audit-journal
# page: upgrade-management#operations-logged
@test "it is in the log, and in the journal of nixos-rebuild with who asked for it" {
  tested
  SUDO_USER=ada system_upgrade
  [[ $(<"$HV_ROOT/journal") == *"MESSAGE=upgrade begins: 26.05.20260531.${OLD:0:7} to 26.05.20261101.${NEW:0:7} (by ada)"*"OBJECT_SYSTEMD_UNIT=nixos-rebuild.service"*"MESSAGE=upgrade done: 26.05.20261101"* ]]
  [[ $(<"$HV_ROOT/var/log/hypervisor/system-upgrade.log") == *"boots from now on"* ]]
}

@test "a build that fails changes nothing" {
  tested
  before=$(tree_of etc)
  reply nixos-rebuild 1 '^switch ' 'error: writing to file: No space left on device'
  system_upgrade
  [[ $status == 1 && $(boots) == old && $(tree_of etc) == "$before" ]]
  contains "the upgrade has failed: the disk is full; 26.05.20260531.${OLD:0:7} boots as before" "nix-collect-garbage -d"
  no_drafts
}

@test "an activation that fails tells that the new system boots, and how to go back" {
  tested
  reply_by nixos-rebuild '^switch ' 'ln -sfn ../../../store/new "$root/nix/var/nix/profiles/system"; echo "warning: error(s) occurred while switching to the new configuration"; exit 4'
  system_upgrade
  [[ $status == 1 && $(boots) == new && $(lock_now) == "$TESTED_LOCK" ]]
  contains "the new system boots from now on, but its activation has failed" "nixos-rebuild switch --rollback"
}

@test "services that the upgrade has cost are named" {
  tested
  reply_by systemctl 'state=failed,auto-restart' '[[ $(readlink "$root/nix/var/nix/profiles/system") == system-1-link ]] || echo "sshd.service loaded failed failed SSH"'
  system_upgrade
  [[ $status == 1 && $(boots) == new ]]
  contains "sshd.service has failed since the upgrade was activated" "services or guests were lost" "--rollback"
}

@test "a system that is not the very one that was tested is spoken of" {
  tested
  cp -a "$HV_ROOT/nix/store/new" "$HV_ROOT/nix/store/other"
  reply_by nixos-rebuild '^switch ' 'ln -sfn ../../../store/other "$root/nix/var/nix/profiles/system"'
  system_upgrade
  [[ $status == 0 ]]
  contains "note: $HV_ROOT/nix/store/other is not the very system that was tested"
}

@test "the lock of the other flake forgets what is out of date" {
  jq -n '{nodes: {root: {inputs: {hypervisor: "hypervisor", more: "more"}}, hypervisor: {}, more: {locked: {rev: "m"}}}, root: "root", version: 7}' >"$FLAKE/flake.lock"
  tested
  system_upgrade
  [[ $status == 0 && $(jq -c .nodes.root.inputs "$FLAKE/flake.lock") == '{"more":"more"}' ]]
}

@test "one flake in /etc/nixos does as well" {
  one_flake
  tested
  system_upgrade
  [[ $status == 0 && $(lock_now) == "$TESTED_LOCK" ]]
  [[ $(calls nixos-rebuild) == "'switch' '--flake' 'path:$STATE/upgrade/flake#hv1'" ]]
}

@test "done twice, it does nothing the second time" {
  tested
  system_upgrade
  forget_calls
  system_upgrade
  [[ $status == 0 && $(calls nixos-rebuild) == '' && $(ls "$STATE/backups" | wc -l) == 1 ]]
  contains "boots already, and is what was tested"
}

@test "a dry run checks everything and changes nothing" {
  tested
  before=$(tree_of etc var)
  system_upgrade --dry-run
  [[ $status == 0 && $(boots) == old && $(tree_of etc var) == "$before" && $(calls nixos-rebuild) == '' ]]
  contains "would run: 'nixos-rebuild' 'switch'"
  rm "$RESULT"
  system_upgrade --dry-run
  [[ $status == 1 ]]
}

# page: upgrade-management#root-only-upgrade
# page: upgrade-management#regular-users
@test "only root may upgrade, whatever groups somebody is in" {
  tested
  before=$(tree_of etc var)
  for command in hv-check-updates hv-upgrade-test hv-system-upgrade; do
    run not_root "suite/$command" --dry-run
    [[ $status == 77 ]]
    contains "only root may do this" "sudo $command --dry-run"
  done
  [[ $(tree_of etc var) == "$before" && $(calls) == '' ]]
}

@test "wrong words are refused" {
  system_upgrade --force
  [[ $status == 64 ]]
  contains "no option '--force'"
  system_upgrade --help
  [[ $status == 0 ]]
  contains "usage: hv-system-upgrade"
}

@test "a flake.lock that cannot be written is told with the cure" {
  tested
  reply_by nixos-rebuild '^switch ' 'ln -sfn ../../../store/new "$root/nix/var/nix/profiles/system"; mkdir -p "$root/etc/hypervisor/.flake.lock.draft/x"'
  system_upgrade
  [[ $status == 1 && $(boots) == new ]]
  contains "the next rebuild would go back" "sudo cp $STATE/upgrade/hypervisor/flake.lock $PIN/flake.lock"
}

# whole: the lock is the old or the tested one; the tested one only with its system.
whole() {
  local lock
  lock=$(lock_now)
  [[ $lock == "$OLD_LOCK" || ($lock == "$TESTED_LOCK" && $(boots) == new) ]]
}

back_to_old() {
  ln -sfn system-1-link "$HV_ROOT/nix/var/nix/profiles/system"
  printf '%s\n' "$OLD_LOCK_TEXT" >"$PIN/flake.lock"
  rm -rf "$STATE/backups"
  forget_calls
}

@test "whatever command fails or is killed, nothing is half-written and the next run succeeds" {
  OLD_LOCK_TEXT=$(<"$PIN/flake.lock") OLD_LOCK=$(lock_now)
  tested
  reply_really cp mv sync
  system_upgrade
  [[ $status == 0 ]]
  last=$(number_of_calls)
  ((last >= 12))
  for trouble in fail_call kill_at_call; do
    for ((call = 1; call <= last; call++)); do
      back_to_old
      "$trouble" "$call"
      system_upgrade
      whole || { printf '%s %s\n%s\n' "$trouble" "$call" "$output" && return 1; }
      [[ $trouble == kill_at_call ]] || no_drafts
      [[ $status != 0 || $(boots) == new ]]
    done
  done
  no_trouble
  system_upgrade
    [[ $status == 0 && $(boots) == new && $(lock_now) == "$TESTED_LOCK" ]]
  no_drafts
}
