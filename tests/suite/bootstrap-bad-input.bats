#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # hashes, not bash
# What stops the bootstrap, what it says then, and that nothing is lost.

load lib/root

setup() {
  new_root
  fake_source
  root_user ada 1000 '$6$salt$hash' 'Ada' wheel
  root_file etc/hypervisor/src/older 0644 old
  root_file etc/nixos/flake.nix 0644 '{ older = true; }'
  reply nixos-rebuild 0
  reply nixos-generate-config 0 '' '{ }'
  before=$(tree_of)
}

bootstrap() { script bootstrap_nixos.sh --source "$FAKE_SOURCE" --force "$@"; }

untouched() { [[ $(tree_of) == "$before" && $(calls) != *nixos-rebuild* ]]; }

@test "wrong usage is named, with what is right" {
  local rows=('--action boot|is not one of build, test and switch' '--action|needs a value' '--action=|no option' '--hostname|needs a value'
    '--hostname -x|is not a host' '--hostname a.b|is not a host' '--hostname a b|no option' '--nonsense|no option'
    '--source|needs a value' '--reboot --action test|--reboot goes with a switch' 'switch|no option')
  local row
  for row in "${rows[@]}"; do
    # shellcheck disable=SC2086 # words
    run bootstrap ${row%|*}
    [[ $status == 64 && $output == *"${row#*|}"* ]] && untouched || { echo "$row: $status $output" >&2 && return 1; }
  done
  run bootstrap --hostname ''
  [[ $status == 64 ]] && untouched
  run bootstrap --hostname 'a"; evil = "'
  [[ $status == 64 ]] && untouched
}

@test "without flags and without a terminal it asks for flags" {
  run script bootstrap_nixos.sh
  [[ $status == 64 && $output == *'nobody there to ask'*'--action test'* ]]
  untouched
}

@test "only root may install" {
  run not_root bootstrap_nixos.sh --source "$FAKE_SOURCE" --force
  [[ $status == 77 && $output == *'only root may do this'*'sudo bootstrap_nixos.sh'* ]]
  untouched
}

@test "a folder that is not the repository is refused" {
  for folder in "$BATS_TEST_TMPDIR" /nowhere; do
    run bootstrap --source "$folder"
    [[ $status == 69 && $output == *"'$folder' is not hvlaunch's repository"* ]]
    untouched
  done
}

@test "a host that is no NixOS is refused" {
  rm "$HV_ROOT/run/current-system/sw/bin/nixos-rebuild"
  run bootstrap
  [[ $status == 69 && $output == *'not installed here: nixos-rebuild'* ]]
  untouched
}

# with_etc MOUNT-OPTIONS COMMAND...: the root's /etc on a file system of its own.
with_etc() {
  unshare --user --map-root-user --mount bash -Eeuo pipefail -c '
    cp -a "$HV_ROOT/etc" "$HV_ROOT/etc.kept"
    mount -t tmpfs -o "$1,mode=0755" none "$HV_ROOT/etc"
    cp -a "$HV_ROOT/etc.kept/." "$HV_ROOT/etc"
    rm -rf "$HV_ROOT/etc.kept"
    shift
    eval "$1"' with_etc "$@"
}

@test "a read-only /etc is named, with how to change it" {
  export -f script tree_of
  export FAKE_SOURCE SOURCE_ROOT before
  run with_etc size=1m 'mount -o remount,ro "$HV_ROOT/etc"
    script bootstrap_nixos.sh --source "$FAKE_SOURCE" --force'
  [[ $status == 69 && $output == *"etc' cannot be written"*'remount,rw'* ]]
}

@test "a disk without room for the source is named, before anything is written" {
  export -f script tree_of
  export FAKE_SOURCE SOURCE_ROOT before
  head -c 3000000 /dev/zero >"$FAKE_SOURCE/large"
  run with_etc size=2m 'script bootstrap_nixos.sh --source "$FAKE_SOURCE" --force && exit
    code=$?
    [[ $(cat "$HV_ROOT/etc/hypervisor/src/older") == old && ! -e $HV_ROOT/etc/hypervisor/.src.new ]] || exit 1
    exit $code'
  [[ $status == 69 && $output == *'MiB free, and'*'are needed'*'nix-collect-garbage'* ]]
}

@test "a disk that fills up on the way leaves whole files, and the next run goes on" {
  export -f script tree_of
  export FAKE_SOURCE SOURCE_ROOT before
  # It says that there is room, as another program may take what there was.
  reply df 0 '' $'Filesystem 1024-blocks Used Available Capacity Mounted\nnone 9999999 0 9999999 0% /'
  head -c 1500000 /dev/zero >"$FAKE_SOURCE/large"
  run with_etc size=1m 'script bootstrap_nixos.sh --source "$FAKE_SOURCE" --force && exit 1
    [[ $(cat "$HV_ROOT/etc/hypervisor/src/older") == old && $(cat "$HV_ROOT/etc/nixos/flake.nix") == "{ older = true; }" ]] || exit 2
    mount -o remount,size=20m "$HV_ROOT/etc"
    script bootstrap_nixos.sh --source "$FAKE_SOURCE" --force || exit 3
    cmp "$FAKE_SOURCE/large" "$HV_ROOT/etc/hypervisor/src/large" && cat "$HV_ROOT"/etc/hypervisor.backup-*/src/older'
  [[ $status == 0 && $output == *'No space left on device'*'stopped while copying the source'*'run the same again'*'old' ]]
}

@test "two at a time are refused" {
  exec 9>"$HV_ROOT/run/hvlaunch-bootstrap.lock"
  flock -n 9
  run bootstrap 9>&-
  [[ $status == 1 && $output == *'another bootstrap is at work'* ]]
  untouched
}

@test "a log that cannot be written costs the log only" {
  rm -r "$HV_ROOT/var/log"
  : >"$HV_ROOT/var/log"
  run bootstrap
  [[ $status == 0 && $output == *'this run leaves no log'* && $(calls nixos-rebuild | wc -l) == 2 ]]
}

@test "a missing hardware file that cannot be made stops it, with what is there whole" {
  reply nixos-generate-config 1
  run bootstrap
  [[ $status == 1 && $output == *'stopped while writing the configuration'* && ! -e $HV_ROOT/etc/nixos/hardware-configuration.nix ]]
  [[ $(<"$HV_ROOT/etc/nixos/flake.nix") == '{ older = true; }' ]]
}

# page: upgrade-management#never-downgrade
@test "an older release is refused before anything is written" {
  root_file etc/os-release 0644 'ID=nixos' 'VERSION_ID="26.11"'
  before=$(tree_of)
  run bootstrap
  [[ $status == 65 && $output == *'runs NixOS 26.11, and would become 26.05'* ]]
  untouched
  root_file etc/os-release 0644 'ID=nixos' 'VERSION_ID="26.05"'
  run bootstrap
  [[ $status == 0 && $output != *becomes* ]]
}
