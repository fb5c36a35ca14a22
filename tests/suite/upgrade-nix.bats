#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# hv-upgrade-test and hv-system-upgrade with a real Nix: what they ask of it is what it does.

load lib/root
load lib/nix
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  RESULT=$STATE/upgrade-test-result
  # A nixpkgs of one line, in a folder instead of on GitHub.
  nixpkgs=$BATS_TEST_TMPDIR/nixpkgs
  mkdir "$nixpkgs"
  release 26.05
  root_file etc/hypervisor/flake.nix 0644 "{ inputs.nixpkgs.url = \"path:$nixpkgs\"; outputs = { nixpkgs, ... }: { inherit (nixpkgs) release; }; }"
  root_file etc/nixos/flake.nix 0644 '{' '  inputs.hypervisor.url = "path:/etc/hypervisor";' \
    '  outputs = { hypervisor, ... }: { nixosConfigurations.hv1.config.system = { nixos = { inherit (hypervisor) release; }; stateVersion = "24.05"; }; };' '}'
  rm "$PIN/flake.lock"
  cat >"$BATS_TEST_TMPDIR/nix" <<WRAPPER
#!/bin/bash
export NIX_CONFIG='$NIX_CONFIG'
exec "$nix_loader" --argv0 nix --library-path "$nix_libraries" "$nix_root/usr/bin/nix" "\$@" --store "$BATS_TEST_TMPDIR/store"
WRAPPER
  chmod +x "$BATS_TEST_TMPDIR/nix"
  reply_by nix '' "\"$BATS_TEST_TMPDIR/nix\" \"\$@\""
}

release() { echo "{ outputs = _: { release = \"$1\"; }; }" >"$nixpkgs/flake.nix"; }

@test "the newest is locked in the copy, evaluated through both flakes, and taken over at the end" {
  upgrade_test
  [[ $status == 0 && $(<"$RESULT") == *"release: 26.05"*"state-version: 24.05"* ]] || { echo "$output" && return 1; }
  [[ ! -e $PIN/flake.lock && ! -e $FLAKE/flake.lock ]]
  system_upgrade
  [[ $status == 0 && -e $PIN/flake.lock ]] || { echo "$output" && return 1; }
  before=$(<"$PIN/flake.lock")
  # The release moves on: only a new test, and its upgrade, make the lock follow.
  release 26.11
  upgrade_test --locked
  [[ $(<"$RESULT") != *"release: 26.11"* ]]
  upgrade_test
  [[ $status == 0 && $(<"$RESULT") == *"release: 26.11"* && $(<"$PIN/flake.lock") == "$before" ]] || { echo "$output" && return 1; }
  system_upgrade
  [[ $status == 0 && $(<"$PIN/flake.lock") != "$before" ]]
  cmp "$PIN/flake.lock" "$STATE/upgrade/hypervisor/flake.lock"
}

@test "an older release is refused, and an error of the configuration is recognised" {
  release 25.11
  upgrade_test
  [[ $status == 1 && $(calls nixos-rebuild) == '' ]]
  contains "refusing to downgrade: this would be NixOS 25.11, and 26.05 runs"
  release 26.05
  sed -i 's/stateVersion = "24.05"/stateVersion = nonsense/' "$FLAKE/flake.nix"
  upgrade_test
  [[ $status == 1 && $(<"$RESULT") == *"problem: configuration"*"undefined variable 'nonsense'"* ]] || { echo "$output" && return 1; }
  rm -r "$nixpkgs"
  upgrade_test
  [[ $status == 1 && $(verdict) == failed ]]
}

@test "a host that is one flake of its own is upgraded the same way" {
  rm "$PIN/flake.nix"
  cat >"$FLAKE/flake.nix" <<NIX
{
  inputs.nixpkgs.url = "path:$nixpkgs";
  outputs = { nixpkgs, ... }: { nixosConfigurations.hv1.config.system = { nixos = { inherit (nixpkgs) release; }; stateVersion = "24.05"; }; };
}
NIX
  "$BATS_TEST_TMPDIR/nix" flake lock "path:$FLAKE"
  source scripts/suite/lib/upgrade-inputs.sh
  [[ $(jq -r "$jq_nixpkgs | .locked.path" "$FLAKE/flake.lock") == "$nixpkgs" ]]
  before=$(<"$FLAKE/flake.lock")
  release 26.11
  upgrade_test
  [[ $status == 0 && $(<"$RESULT") == *"release: 26.11"* && $(<"$FLAKE/flake.lock") == "$before" ]] || { echo "$output" && return 1; }
}
