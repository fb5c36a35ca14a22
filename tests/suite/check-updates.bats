#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# hv-check-updates: what it asks, what it writes, whom it tells.

load lib/root
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  NOTICE=$STATE/update-available
  MOTD=$ETC/motd.d/updates-available
}

# page: upgrade-management#check-motd
# page: upgrade-management#check-details
# page: upgrade-management#manual-check-notices
@test "an update is noticed at login and in detail" {
  check_updates
  [[ $status == 0 ]]
  [[ $(<"$MOTD") == *"Updates of NixOS are available"*hv-upgrade-test* ]]
  [[ $(stat -c %a "$MOTD" "$NOTICE") == $'644\n644' ]]
  [[ $(sed -n 's/^to: //p' "$NOTICE") == "$NEW" ]]
  [[ $(<"$NOTICE") == *"what: NixOS, branch nixos-26.05 of NixOS/nixpkgs"*"from: 26.05.20260531.${OLD:0:7} (flake.lock: $OLD)"*"found: 20"*"sudo hv-upgrade-test"*"sudo hv-system-upgrade"* ]]
  no_unexpected_calls
  no_drafts
}

# page: upgrade-management#check-broadcast
# page: upgrade-management#notify
@test "administrators are told on their terminals, root and wheel" {
  check_updates
  [[ $(calls wall | wc -l) == 2 ]]
  [[ $(calls wall) == "'--group' 'root' '"*"'--group' 'wheel' '"*hv-upgrade-test* ]]
}

@test "the same update is told of once, the next one again" {
  check_updates
  found=$(<"$NOTICE")
  rm "$MOTD"
  forget_calls
  check_updates
  [[ $status == 0 ]]
  contains "found before at"
  [[ $(calls wall) == '' && $(<"$NOTICE") == "$found" && -e $MOTD ]]
  head_is 1111111111111111111111111111111111111111
  check_updates
  [[ $(calls wall | wc -l) == 2 && $(<"$NOTICE") == *1111111* ]]
}

@test "a wall that knows no groups tells everyone; no wall costs nothing" {
  reply wall 1 '^--group'
  check_updates
  [[ $status == 0 && $(calls wall | tail -n 1) == "'Updates of"* ]]
  rm "$NOTICE"
  reply wall 1
  check_updates
  [[ $status == 0 && -e $NOTICE ]]
  contains "nobody could be told"
}

@test "nobody is disturbed with --no-broadcast" {
  check_updates --no-broadcast
  [[ $status == 0 && -e $NOTICE && $(calls wall) == '' ]]
}

# page: upgrade-management#manual-check-queries
# page: upgrade-management#manual-check-compares
@test "GitHub is asked for the branch that the flake follows" {
  check_updates
  [[ $(calls git) == "'ls-remote' 'https://github.com/NixOS/nixpkgs' 'refs/heads/nixos-26.05' 'refs/heads/nixos-[0-9][0-9].[0-9][0-9]'" ]]
  contains "in use: 26.05.20260531.${OLD:0:7}; locked: $OLD"
}

@test "notices go when there is no update any more" {
  check_updates
  head_is "$OLD"
  check_updates
  [[ $status == 0 && ! -e $NOTICE && ! -e $MOTD ]]
  contains "no updates: nixos-26.05 is at what is in use"
}

@test "a lock that was renewed but not applied is an update all the same" {
  lock_of "$NEW" 1793500000 >"$PIN/flake.lock"
  check_updates
  [[ $status == 0 && -e $NOTICE ]]
}

@test "a test under way does not hide the update" {
  ln -sfn ../nix/store/new "$HV_ROOT/run/current-system"
  check_updates
  [[ $status == 0 && $(<"$NOTICE") == *"from: 26.05.20260531"* ]]
}

# page: upgrade-management#newer-release-works
@test "a newer release is named, with how to move to it" {
  head_is "$OLD" 25.11 26.11
  check_updates
  [[ $status == 0 && $(<"$NOTICE") == *"next-release: nixos-26.11"*"To move to nixos-26.11, name it in"* ]]
  forget_calls
  check_updates
  [[ $(calls wall) == '' ]]
}

@test "an unstable branch is not asked to move to a release" {
  sed -i 's/nixos-26.05/nixos-unstable/' "$PIN/flake.nix"
  reply git 0 '' "$OLD"$'\trefs/heads/nixos-unstable\n'"$NEW"$'\trefs/heads/nixos-26.11'
  check_updates
  [[ $status == 0 && ! -e $NOTICE ]]
}

@test "what flake.nix asks for counts, not what was locked for another branch" {
  sed -i 's/nixos-26.05/nixos-26.11/' "$PIN/flake.nix"
  reply git 0 '' "$NEW"$'\trefs/heads/nixos-26.11'
  check_updates
  [[ $(calls git) == *"'refs/heads/nixos-26.11'"* && $(<"$NOTICE") == *"branch nixos-26.11"* ]]
}

@test "a flake that asks for an older release is warned of" {
  sed -i 's/nixos-26.05/nixos-25.11/' "$PIN/flake.nix"
  reply git 0 '' "$NEW"$'\trefs/heads/nixos-25.11'
  check_updates
  contains "older than what runs"
}

@test "without git, Nix is asked" {
  reply git 128
  reply nix 0 '^flake metadata --json --refresh github:NixOS/nixpkgs/nixos-26.05$' "{\"revision\":\"$NEW\"}"
  check_updates
  [[ $status == 0 && $(<"$NOTICE") == *"to: $NEW"* ]]
}

# page: upgrade-management#check-fails-network
@test "without network it says so, and notices stay" {
  check_updates
  before=$(tree_of etc var/lib)
  reply git 128
  reply nix 1
  check_updates
  [[ $status == 69 && $(tree_of etc var/lib) == "$before" ]]
  contains "no answer about 'NixOS/nixpkgs' nixos-26.05; notices stay as they are" "curl -I https://github.com/NixOS/nixpkgs"
}

@test "an answer that is no revision is none" {
  reply git 0 '' 'fatal: something	refs/heads/nixos-26.05'
  reply nix 0 '' '{"revision":"; rm -rf /"}'
  check_updates
  [[ $status == 69 && ! -e $NOTICE ]]
}

@test "a pinned nixpkgs has no updates" {
  sed -i 's|nixpkgs/nixos-26.05|nixpkgs|' "$PIN/flake.nix"
  jq '.nodes.nixpkgs.original |= (del(.ref) | .rev = "abc")' "$PIN/flake.lock" >"$HV_ROOT/l" && mv "$HV_ROOT/l" "$PIN/flake.lock"
  check_updates
  [[ $status == 0 && $(calls git) == '' ]]
  contains "nixpkgs is pinned (abc)"
}

@test "a nixpkgs that another input brings is found" {
  jq '.nodes.root.inputs = {hypervisor: "hv", nixpkgs: ["hypervisor", "nixpkgs"]} | .nodes.hv = {inputs: {nixpkgs: "nixpkgs"}}' \
    "$PIN/flake.lock" >"$HV_ROOT/l" && mv "$HV_ROOT/l" "$PIN/flake.lock"
  check_updates
  [[ $status == 0 ]]
  contains "locked: $OLD"
}

# page: upgrade-management#manual-check-log
# page: upgrade-management#audit-check-log
@test "what it did is shown, and kept in the log" {
  check_updates
  contains "asking github.com" "there are updates:"
  log=$(<"$HV_ROOT/var/log/hypervisor/update-checker.log")
  [[ $log == *"== 20"*hv-check-updates* && $log == *"$output"* ]]
}

# page: upgrade-management#root-only-check
@test "only root may look for updates" {
  ((EUID == 0)) || skip "needs root to become somebody else"
  chmod 0755 "$BATS_TEST_TMPDIR" "$HV_ROOT"
  cp -r "$SOURCE_ROOT/scripts/suite" "$BATS_TEST_TMPDIR/suite"
  chmod -R a+rX "$BATS_TEST_TMPDIR/suite" "$BATS_RUN_TMPDIR"
  run env HV_ROOT="$HV_ROOT" setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/suite/hv-check-updates"
  [[ $status == 77 ]]
  contains "only root may do this" "sudo hv-check-updates"
}

@test "without a flake, or a lock, or a sane one, it says what to do" {
  echo '{' >"$PIN/flake.lock"
  check_updates
  [[ $status == 65 ]]
  contains "names no input 'nixpkgs'" "sudo nix flake lock"
  rm "$PIN/flake.lock"
  printf unknown >"$HV_ROOT/nix/store/old/nixos-version"
  check_updates
  [[ $status == 65 ]]
  contains "has no flake.lock, and what runs does not say what it was built from"
  rm "$PIN/flake.nix"
  check_updates
  [[ $status == 65 ]]
  contains "stands on '$PIN', which has no flake.nix"
  rm "$FLAKE/flake.nix"
  check_updates
  [[ $status == 69 ]]
  contains "neither /etc/nixos nor /etc/hypervisor has a flake.nix"
  check_updates --flake "$HV_ROOT/no"
  [[ $status == 64 ]]
}

@test "a host that has never locked anything is compared by what it was built from" {
  rm "$PIN/flake.lock"
  head_is "$OLD"
  check_updates
  [[ $status == 0 && ! -e $NOTICE ]]
  head_is "$NEW"
  check_updates
  [[ $status == 0 && -e $NOTICE ]]
}

@test "one flake in /etc/nixos, or in /etc/hypervisor, does as well" {
  one_flake
  check_updates
  [[ $status == 0 && -e $NOTICE ]]
  rm "$NOTICE"
  mv "$FLAKE"/flake.* "$ETC/hypervisor/"
  check_updates
  [[ $status == 0 && -e $NOTICE ]]
}

@test "a dry run writes nothing" {
  before=$(tree_of etc var)
  check_updates --dry-run
  [[ $status == 0 && $(tree_of etc var) == "$before" && $(calls wall) == '' ]]
  contains "would write $MOTD" "would run: 'wall' '--group' 'wheel'"
}

@test "two at once refuse" {
  mkdir -p "$STATE"
  exec 8>>"$STATE/.update-checker.lock"
  flock 8
  check_updates
  [[ $status == 75 ]]
  contains "another run of this kind is under way"
}

@test "wrong words are refused" {
  check_updates --dryrun
  [[ $status == 64 ]]
  contains "no option '--dryrun'"
  check_updates --help
  [[ $status == 0 ]]
  contains "usage: hv-check-updates"
}

@test "a full or read-only disk is named" {
  mkdir -p "$ETC"
  : >"$ETC/motd.d"
  check_updates
  [[ $status == 77 && ! -e $NOTICE ]]
  contains "updates-available' cannot be written"
}

@test "whatever command fails, nothing is half-written and the next run succeeds" {
  reply_really mv sync chmod
  check_updates
  last=$(number_of_calls)
  ((last >= 9))
  for ((call = 1; call <= last; call++)); do
    rm -rf "$NOTICE" "$MOTD" "$HV_ROOT/.stand-in/log"
    forget_calls
    fail_call "$call"
    check_updates
    no_drafts
    [[ ! -e $MOTD || $(<"$MOTD") == *update-available ]]
    [[ ! -e $NOTICE || $(<"$NOTICE") == *"once that test has passed" ]]
    no_trouble
    check_updates
    [[ $status == 0 && -e $NOTICE && -e $MOTD ]] || { echo "call $call" && return 1; }
  done
}
