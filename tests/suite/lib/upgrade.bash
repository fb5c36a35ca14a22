# shellcheck shell=bash disable=SC2016,SC2154 # commands for later; set by bats
# SPDX-License-Identifier: MIT
#
# A NixOS host to upgrade, made up: the generation `old` boots and runs, `new` is what
# nixos-rebuild builds. Needs root.bash.
#
#   upgrade_host             # all commands behave; stable 26.05, an update is there
#   running; boots           # old or new
#   lock_of REVISION DATE    # the text of a flake.lock
#   one_flake                # the host is not bootstrap's, but one flake in /etc/nixos
#   head_is REVISION [RELEASE...]     # what GitHub answers git

OLD=b51242d7d43689db2f3be91bd05d5b24fbb469c4
NEW=8fd9daa3db09ced9700431c5b7ad0e8ba199b575

upgrade_host() {
  new_root
  STATE=$HV_ROOT/var/lib/hypervisor
  ETC=$HV_ROOT/etc
  FLAKE=$ETC/nixos
  PIN=$ETC/hypervisor
  make_systems
  make_configuration
  root_file etc/hostname 0644 hv1
  reply_by nixos-version '^$' 'cat "$root/run/current-system/nixos-version"'
  reply_by logger '^--journald$' 'cat >>"$root/journal"; echo >>"$root/journal"'
  reply wall 0
  reply hvlaunch 0 '^--json list$' '[{"name":"web","state":"running"},{"name":"db","state":"stopped"}]'
  make_systemd
  make_nix
  reply_by nixos-rebuild '^test ' 'echo building; ln -sfn ../nix/store/new "$root/run/current-system"'
  reply_by nixos-rebuild '^switch ' 'echo building; ln -sfn ../../../store/new "$root/nix/var/nix/profiles/system-2-link"
    ln -sfn system-2-link "$root/nix/var/nix/profiles/system"; ln -sfn ../nix/store/new "$root/run/current-system"'
  head_is "$NEW"
}

# Both with the same tools, which a test has in its hand.
make_systems() {
  local name store=$HV_ROOT/nix/store
  mkdir -p "$store"/{old,new}/bin "$HV_ROOT/nix/var/nix/profiles"
  mv "$HV_ROOT/run/current-system/sw" "$store/sw"
  rmdir "$HV_ROOT/run/current-system"
  for name in old new; do
    ln -s ../sw "$store/$name/sw"
    : >"$store/$name/kernel"
    printf '#!/bin/sh\necho "%s $*" >>"%s/activations"\nln -sfn ../nix/store/%s "%s/run/current-system"\n' \
      "$name" "$HV_ROOT" "$name" "$HV_ROOT" >"$store/$name/bin/switch-to-configuration"
    chmod +x "$store/$name/bin/switch-to-configuration"
  done
  printf '26.05.20260531.%s' "${OLD:0:7}" >"$store/old/nixos-version"
  printf '26.05.20261101.%s' "${NEW:0:7}" >"$store/new/nixos-version"
  ln -s ../nix/store/old "$HV_ROOT/run/current-system"
  ln -s ../nix/store/old "$HV_ROOT/run/booted-system"
  ln -s ../../../store/old "$HV_ROOT/nix/var/nix/profiles/system-1-link"
  ln -s system-1-link "$HV_ROOT/nix/var/nix/profiles/system"
}

# As bootstrap_nixos.sh leaves it.
make_configuration() {
  root_file etc/nixos/flake.nix 0644 '{' '  inputs.hypervisor.url = "path:/etc/hypervisor";' '}'
  root_file etc/hypervisor/flake.nix 0644 '{' '  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";' '}'
  lock_of "$OLD" 1780203844 >"$PIN/flake.lock"
  root_file etc/nixos/hardware-configuration.nix 0644 '{ }'
  root_file etc/hypervisor/configuration/users-local.nix 0600 '{ }'
  root_file etc/hypervisor/vm-profiles/web.json 0644 '{}'
  root_file var/lib/hypervisor/secrets/password-ada 0600 hash
}

make_systemd() {
  reply systemctl 0 '^list-jobs ' ''
  reply systemctl 0 'state=failed,auto-restart' 'broken.service loaded failed failed Broken before and after'
  reply systemctl 0 'state=active' 'hvlaunch@web.service loaded active running Virtual machine web
hypervisor-menu.service loaded active running Menu'
}

# `nix flake lock` finds the newest, `nix eval` a configuration for 26.05.
make_nix() {
  lock_of "$NEW" 1793500000 >"$HV_ROOT/new.lock"
  reply_by nix '^flake lock path:' 'for last; do :; done; cp "$root/new.lock" "${last#path:}/flake.lock"'
  reply nix 0 '^eval --json ' '{"release":"26.05","stateVersion":"24.05"}'
}

# one_flake: the host is one flake of its own, in /etc/nixos.
one_flake() {
  mv "$PIN"/flake.* "$FLAKE/"
  PIN=$FLAKE
}

# lock_of REVISION DATE [BRANCH]
lock_of() {
  jq -n --arg rev "$1" --argjson date "$2" --arg ref "${3:-nixos-26.05}" '{nodes: {root: {inputs: {nixpkgs: "nixpkgs"}},
    nixpkgs: {locked: {type: "github", owner: "NixOS", repo: "nixpkgs", rev: $rev, lastModified: $date, narHash: "sha256-x"},
              original: {type: "github", owner: "NixOS", repo: "nixpkgs", ref: $ref}}}, root: "root", version: 7}'
}

# head_is REVISION [RELEASE...]
head_is() {
  local revision=$1 lines name
  shift
  lines="$revision"$'\t'"refs/heads/nixos-26.05"
  for name in "$@"; do lines+=$'\n'"0000000000000000000000000000000000000000"$'\t'"refs/heads/nixos-$name"; done
  reply git 0 '^ls-remote ' "$lines"
}

running() { basename "$(readlink -f "$HV_ROOT/run/current-system")"; }
boots() { basename "$(readlink -f "$HV_ROOT/nix/var/nix/profiles/system")"; }
verdict() { sed -n 's/^verdict: //p' "$STATE/upgrade-test-result"; }

check_updates() { run script suite/hv-check-updates "$@"; }
upgrade_test() { run script suite/hv-upgrade-test "$@"; }
system_upgrade() { run script suite/hv-system-upgrade "$@"; }

# contains TEXT...: of what was run last.
contains() {
  local text
  for text in "$@"; do
    [[ $output == *"$text"* ]] || { printf 'not in the output: %s\nstatus %s, output:\n%s\n' "$text" "$status" "$output" >&2 && return 1; }
  done
}

# Drafts and locks of an interrupted run harm nothing, but a finished one leaves none.
no_drafts() {
  local found
  found=$(find "$HV_ROOT/etc" "$HV_ROOT/var" \( -name '*.draft' -o -name draft -o -name output -o -name '*.new' \) -print)
  [[ ! $found ]] || { echo "left behind: $found" >&2 && return 1; }
}
