#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# rebuild_helper.sh: nixos-rebuild with everything afresh, and the cures for a cache that
# is out of step.

load lib/root

fresh="'--refresh' '--option' 'tarball-ttl' '0' '--option' 'narinfo-cache-positive-ttl' '0' '--option' 'narinfo-cache-negative-ttl' '0'"

setup() {
  new_root
  flake=$HV_ROOT/etc/nixos
  root_file etc/nixos/flake.nix 0644 '{ inputs.hypervisor.url = "path:/etc/hypervisor"; }'
  reply nixos-rebuild 0
  reply nix 0
  reply nix-store 0
  reply nix-collect-garbage 0
}

helper() { script rebuild_helper.sh "$@"; }
repair() { helper --flake "$flake" --host box --repair --yes "$@"; }

# works_from N: rebuilds go wrong before the N-th.
works_from() {
  reply_by nixos-rebuild '' "n=\$(grep -c '^nixos-rebuild' \"\$home/log\"); ((n >= $1))"
}

# page: quick-install#rebuild-helper
@test "build, test and switch of a flake's host, asking for everything afresh" {
  for action in build test switch; do
    forget_calls
    helper --flake "$flake" --host box "$action"
    [[ $(calls) == "nixos-rebuild '$action' '--flake' '$flake#box' '--override-input' 'hypervisor' 'path:$HV_ROOT/etc/hypervisor' $fresh" ]]
  done
}

@test "the flake is /etc/nixos and the host this one, unless others are named" {
  helper test
  [[ $(calls) == *"'--flake' '$HV_ROOT/etc/nixos#testhost'"* ]]
}

@test "a flake of another kind is left with its own inputs" {
  echo '{ }' >"$flake/flake.nix"
  helper test
  [[ $(calls) != *override-input* ]]
}

@test "nixos-rebuild's own status is the helper's" {
  reply nixos-rebuild 7
  run -7 helper test
}

@test "a cache that is out of step is recognised, and the cure named" {
  local text
  for text in 'error: NAR hash mismatch in input' 'error: hash mismatch importing path' 'error: unable to download'; do
    reply nixos-rebuild 1 '' "$text"
    run helper --flake "$flake" --host box switch
    [[ $status == 1 && $output == *"$text"*"run: rebuild_helper.sh --flake $flake --host box --repair switch"* ]]
  done
  reply nixos-rebuild 1 '' 'error: undefined variable'
  run helper switch
  [[ $status == 1 && $output != *--repair* ]]
}

# page: quick-install#repair-clock
@test "repair sets the clock first, and stops if that lets the rebuild through" {
  repair switch
  [[ $(calls | head -n 1) == "nix 'shell' 'nixpkgs#chrony' '--command' 'chronyc' '-a' 'makestep'" ]]
  [[ $(calls | wc -l) == 2 && $(calls) == *"nixos-rebuild 'switch'"* ]]
}

# page: quick-install#repair-caches
@test "repair then clears the caches and collects garbage" {
  root_user ada 1000 x ''
  mkdir -p "$HV_ROOT"/{root,home/ada}/.cache/nix/tarballs
  works_from 2
  reply_by runuser '^-u ada -- rm ' 'shift 3; "$@"'
  SUDO_USER=ada repair switch
  [[ ! -e $HV_ROOT/root/.cache/nix && ! -e $HV_ROOT/home/ada/.cache/nix && -e $HV_ROOT/home/ada/.cache ]]
  [[ $(calls | sed -n '4,$p' | cut -d ' ' -f -3) == $'nix-collect-garbage \'-d\'\nnix \'store\' \'gc\'\nnixos-rebuild \'switch\' \'--flake\'' ]]
}

# page: quick-install#repair-store
@test "repair then checks the store's content" {
  works_from 3
  repair switch
  [[ $(calls | tail -n 2 | head -n 1) == "nix-store '--verify' '--check-contents' '--repair'" ]]
}

# page: quick-install#repair-refresh
@test "repair then asks for everything afresh" {
  works_from 4
  run repair switch
  [[ $status == 0 && $output == *"step 4 helped: switch of '$flake#box' is done"* ]]
  [[ $(calls | tail -n 1) == "nixos-rebuild 'switch' '--flake' '$flake#box' "*"$fresh" ]]
}

# page: quick-install#repair-official-cache
@test "repair then restricts itself to the official cache" {
  works_from 5
  repair switch
  [[ $(calls | tail -n 1) == *"'--refresh' '--option' 'substituters' 'https://cache.nixos.org' '--option' 'trusted-public-keys' 'cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='" ]]
}

# page: quick-install#repair-no-cache
@test "repair at last builds without any cache" {
  works_from 6
  repair switch
  [[ $(calls | tail -n 1) == *"'--option' 'substituters' ''" ]]
}

@test "where no step helps that is said" {
  reply nixos-rebuild 1
  run repair switch
  [[ $status == 69 && $output == *'none of the steps helped'*'df -h /nix'* ]]
  [[ $(calls nixos-rebuild | wc -l) == 6 ]]
}

@test "a step that itself fails does not end the repair" {
  reply nix 1
  reply nix-store 1
  reply nix-collect-garbage 1
  works_from 4
  run repair switch
  [[ $status == 0 && $output == *'clock could not be set'*'caches could be cleared'*'store could be repaired'*'step 4 helped'* ]]
}

@test "repair shows each step in a dry run, and does none" {
  run helper --flake "$flake" --host box --repair --dry-run
  [[ $status == 0 && $(calls) == '' ]]
  for number in 1 2 3 4 5 6; do [[ $output == *"step $number of 6"* ]]; done
  [[ $output == *"would run: 'nix-store' '--verify'"* ]]
}

@test "repair asks before each step: a step refused is left out" {
  works_from 2
  setsid -w env TERM=dumb script -qec "'$SOURCE_ROOT/scripts/rebuild_helper.sh' --flake '$flake' --host box --repair test" /dev/null \
    < <(printf 'n\nn\nn\ny\ny\n') >"$BATS_TEST_TMPDIR/said"
  [[ $(<"$BATS_TEST_TMPDIR/said") == *'step 3 left out'*'step 5 helped'* ]]
  [[ $(calls | cut -d ' ' -f 1 | uniq) == nixos-rebuild ]]
}

@test "repair asks before each step, so without anybody there it wants --yes" {
  run -64 helper --flake "$flake" --host box --repair
  [[ $output == *'nobody to ask'*'--yes'* && $(calls) == '' ]]
}

@test "wrong usage is named, and nothing is run" {
  local arguments
  for arguments in 'boot' '' 'test switch' '--flake' '--nonsense test' '--host -x test' '--host a/b test' '--host a#b test'; do
    # shellcheck disable=SC2086 # words
    run helper $arguments
    [[ $status == 64 && $output == *rebuild_helper.sh:* && $(calls) == '' ]] || { echo "$arguments: $status $output" >&2 && return 1; }
  done
}

@test "a folder without a flake is named, with what to do" {
  run -69 helper --flake "$HV_ROOT/nowhere" test
  [[ $output == *"nowhere' has no flake.nix"*bootstrap_nixos.sh* ]]
}

@test "without nixos-rebuild that is said" {
  rm "$HV_ROOT/run/current-system/sw/bin/nixos-rebuild"
  run -69 helper test
  [[ $output == *'not installed here: nixos-rebuild'* ]]
}

@test "only root may test and switch" {
  run not_root rebuild_helper.sh --flake "$flake" switch
  [[ $status == 77 && $output == *'only root may do this'*sudo* && $(calls) == '' ]]
}
