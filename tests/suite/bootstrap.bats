#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # hashes, not bash
# What the bootstrap does where all goes well.

load lib/root

fresh="'--refresh' '--option' 'tarball-ttl' '0' '--option' 'narinfo-cache-positive-ttl' '0' '--option' 'narinfo-cache-negative-ttl' '0'"

setup() {
  new_root
  fake_source
  root_user ada 1000 '$6$salt$hash' 'Ada' wheel
  root_locale de_DE.UTF-8 Europe/Berlin
  reply nixos-rebuild 0
  reply nixos-generate-config 0 '' '{ hardware = true; }'
}

bootstrap() { script bootstrap_nixos.sh --source "$FAKE_SOURCE" "$@"; }
hypervisor() { printf '%s/etc/hypervisor/%s' "$HV_ROOT" "$1"; }

# page: quick-install#bootstrap-writes
@test "files below /etc/hypervisor and the flake of /etc/nixos are written" {
  bootstrap --hostname box
  [[ -d $(hypervisor src) && -d $(hypervisor configuration) && -d $(hypervisor vm-profiles) ]]
  grep -q 'nixosConfigurations."box"' "$HV_ROOT/etc/nixos/flake.nix"
  grep -qF 'path:/etc/hypervisor' "$HV_ROOT/etc/nixos/flake.nix"
  [[ $(<"$HV_ROOT/etc/nixos/hardware-configuration.nix") == '{ hardware = true; }' ]]
  for file in "$HV_ROOT"/etc/nixos/*.nix "$HV_ROOT"/etc/hypervisor/{.,configuration}/*.nix; do
    nix-instantiate --parse "$file" >/dev/null
  done
}

# page: quick-install#source-copied
@test "the source is copied to /etc/hypervisor/src, without git's files and builds" {
  bootstrap
  diff -r --exclude=.git --exclude=build "$FAKE_SOURCE" "$(hypervisor src)"
  [[ ! -e $(hypervisor src/.git) && ! -e $(hypervisor src/build) ]]
  [[ $(stat -c %a "$(hypervisor src/scripts/bootstrap_nixos.sh)") == 755 && $(stat -c %a "$(hypervisor src/flake.nix)") == 644 ]]
}

# page: quick-install#test-then-switch
@test "without an action it tests, then switches" {
  bootstrap --hostname box
  [[ $(calls nixos-rebuild | cut -d ' ' -f 1) == $'\'test\'\n\'switch\'' ]]
}

# page: quick-install#test-first-is-safe
@test "where the test fails nothing is switched, and the cause is named" {
  reply nixos-rebuild 1 '^test' 'error: the option does not exist'
  run bootstrap
  [[ $status == 1 && $output == *'the option does not exist'* && $output == *'stopped while running nixos-rebuild test'* ]]
  [[ $(calls nixos-rebuild) != *switch* ]]
}

# page: quick-install#flag-action
@test "--action does that alone" {
  for action in build test switch; do
    forget_calls
    bootstrap --force --action "$action"
    [[ $(calls nixos-rebuild) == "'$action' "* && $(calls nixos-rebuild | wc -l) == 1 ]]
  done
}

# page: quick-install#flag-hostname
@test "--hostname names the flake's attribute and the system" {
  bootstrap --hostname box-1
  [[ $(calls nixos-rebuild) == *"/etc/nixos#box-1'"* ]]
  grep -qxF '  networking.hostName = "box-1";' "$(hypervisor configuration/system-local.nix)"
}

# page: quick-install#refresh
@test "every rebuild asks for everything afresh" {
  bootstrap
  while read -r call; do
    [[ $call == *"$fresh"* && $call == *"'--override-input' 'hypervisor' 'path:$HV_ROOT/etc/hypervisor'"* ]]
  done < <(calls nixos-rebuild)
}

@test "nixos-rebuild knows flakes by NIX_CONFIG, whatever it was before" {
  reply_by nixos-rebuild '' 'printf "%s" "$NIX_CONFIG" >"$root/nix-config"'
  NIX_CONFIG='substituters = evil' bootstrap
  [[ $(<"$HV_ROOT/nix-config") == 'experimental-features = nix-command flakes' ]]
}

# page: quick-install#flag-fast
@test "--fast lets Nix download many things at a time" {
  bootstrap --fast
  [[ $(calls nixos-rebuild) == *"'--option' 'http-connections' '128'"*"'max-substitution-jobs' '128'"* ]]
  forget_calls
  bootstrap --force
  [[ $(calls nixos-rebuild) != *http-connections* ]]
}

# page: quick-install#flag-force
@test "--force goes on where /etc/hypervisor is, and keeps a copy of it" {
  root_file etc/hypervisor/src/older 0644 old
  root_file etc/hypervisor/config.json 0644 '{}'
  run bootstrap --force
  [[ $status == 0 && $output == *"kept: $HV_ROOT/etc/hypervisor.backup-"* ]]
  [[ $(cat "$HV_ROOT"/etc/hypervisor.backup-*/src/older) == old ]]
  [[ ! -e $(hypervisor src/older) && $(<"$(hypervisor config.json)") == '{}' ]]
}

# page: quick-install#flag-force
@test "without --force and with nobody to ask, what is there stays" {
  root_file etc/hypervisor/src/older 0644 old
  before=$(tree_of)
  run bootstrap
  [[ $status == 1 && $output == *"is there already"*"--force"* ]]
  [[ $(tree_of) == "$before" && $(calls nixos-rebuild) == '' ]]
}

# page: quick-install#flag-source
@test "--source names the repository; without it, it is the script's own" {
  bootstrap
  [[ -e $(hypervisor src/nix/module.nix) ]]
  run script bootstrap_nixos.sh --dry-run --hostname box
  [[ $output == *"would copy $SOURCE_ROOT to $HV_ROOT/etc/hypervisor/src"* ]]
}

# page: quick-install#flag-reboot
@test "--reboot reboots after a switch that worked, and only then" {
  reply systemctl 0
  bootstrap --reboot
  [[ $(calls | tail -n 1) == "systemctl 'reboot'" ]]
  forget_calls
  reply nixos-rebuild 1 '^switch'
  run -1 bootstrap --force --reboot
  [[ $(calls) != *reboot* ]]
}

# page: quick-install#local-files-once
@test "the local modules are written only if absent" {
  root_file etc/hypervisor/configuration/users-local.nix 0600 '{ mine = 1; }'
  root_file etc/hypervisor/configuration/system-local.nix 0644 '{ mine = 2; }'
  root_file etc/hypervisor/configuration/configuration.nix 0644 '{ mine = 3; }'
  root_file etc/hypervisor/flake.nix 0644 '{ mine = 4; }'
  run bootstrap --force
  [[ $status == 0 && $output == *'users stay as it says'*"settings stay as it says"* ]]
  cat "$(hypervisor configuration/users-local.nix)" "$(hypervisor configuration/system-local.nix)" \
    "$(hypervisor configuration/configuration.nix)" "$(hypervisor flake.nix)" |
    diff - <(printf '{ mine = %s; }\n' 1 2 3 4)
}

# page: quick-install#local-files-modes
@test "users-local.nix is root's alone, as are the hashes it names" {
  bootstrap
  [[ $(stat -c '%a %u' "$(hypervisor configuration/users-local.nix)") == '600 0' ]]
  [[ $(stat -c %a "$(hypervisor configuration/system-local.nix)") == 644 ]]
  [[ $(stat -c %a "$HV_ROOT/var/lib/hypervisor/secrets" "$HV_ROOT/var/lib/hypervisor/secrets/password-ada") == $'700\n600' ]]
}

# page: quick-install#local-files-imported
@test "configuration.nix imports the local modules where they are" {
  bootstrap
  imports() {
    nix-instantiate --eval --strict --json --store dummy:// -E '
      let
        lib = {
          mkDefault = value: value;
          mkOverride = _: value: value;
          optional = condition: value: if condition then [ value ] else [ ];
          inherit (builtins) mapAttrs;
        };
        file_of = module: if builtins.isFunction module then (module { config = { }; pkgs = { }; })._file else module;
      in map (module: baseNameOf (file_of module)) (import '"$(hypervisor configuration/configuration.nix)"' { inherit lib; }).imports'
  }
  [[ $(imports 2>/dev/null) == '["users-local.nix","system-local.nix"]' ]]
  rm "$(hypervisor configuration/users-local.nix)"
  [[ $(imports 2>/dev/null) == '["system-local.nix"]' ]]
}

@test "the flakes lead from the host's hardware to the suite's module and the host's own" {
  bootstrap --hostname box
  result=$(nix-instantiate --eval --strict --json --store dummy:// -E "
    let
      nixpkgs.lib.nixosSystem = { modules }: map (m: if builtins.isPath m then baseNameOf m else m) modules;
      suite = (import $(hypervisor flake.nix)).outputs { inherit nixpkgs; };
      host = (import $HV_ROOT/etc/nixos/flake.nix).outputs { hypervisor = suite // { inputs = { inherit nixpkgs; }; }; };
    in [ host.nixosConfigurations.box suite.origin ]" 2>/dev/null)
  [[ $(jq -c '.[0]' <<<"$result") == '["hardware-configuration.nix",{"hypervisor-module":true},"configuration.nix"]' ]]
  [[ $(jq -r '.[1]' <<<"$result") == */etc/hypervisor/src || $(jq -r '.[1]' <<<"$result") == /nix/store/*-src ]]
}

@test "the release is the source's own, with its lock" {
  bootstrap
  grep -qF 'inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";' "$(hypervisor flake.nix)"
  cmp "$(hypervisor flake.lock)" "$FAKE_SOURCE/flake.lock"
}

@test "what was in /etc/nixos/flake.nix stays beside it, and the hardware as it is" {
  root_file etc/nixos/flake.nix 0644 '{ mine = true; }'
  root_file etc/nixos/hardware-configuration.nix 0644 '{ mine = true; }'
  root_file etc/nixos/configuration.nix 0644 '{ }'
  run bootstrap
  [[ $status == 0 && $output == *'flake.nix is replaced'* && $output == *'configuration.nix is not read any more'* ]]
  [[ $(<"$HV_ROOT/etc/nixos/flake.nix.~1~") == '{ mine = true; }' ]]
  [[ $(<"$HV_ROOT/etc/nixos/hardware-configuration.nix") == '{ mine = true; }' && $(calls) != *generate-config* ]]
}

@test "a second run changes nothing more" {
  bootstrap
  before=$(tree_of etc/nixos etc/hypervisor var/lib)
  bootstrap --force
  [[ $(tree_of etc/nixos etc/hypervisor var/lib) == "$before" ]]
  bootstrap --force
  backups=("$HV_ROOT"/etc/hypervisor.backup-*)
  ((${#backups[@]} == 1))
}

# page: quick-install#logging
@test "what was said is in the log of /var/log/hypervisor" {
  bootstrap
  grep -q 'running nixos-rebuild switch' "$HV_ROOT/var/log/hypervisor/bootstrap.log"
  [[ $(stat -c %a "$HV_ROOT/var/log/hypervisor/bootstrap.log") == 600 ]]
}

@test "a dry run shows all and writes nothing" {
  before=$(tree_of .)
  run bootstrap --dry-run --hostname box
  [[ $status == 0 && $(tree_of . | grep -v '\.stand-in') == "$(grep -v '\.stand-in' <<<"$before")" ]]
  [[ $output == *"would copy $FAKE_SOURCE to"*'users.users."ada"'*'networking.hostName = "box"'*"would run: 'nixos-rebuild' 'test'"*"would run: 'nixos-rebuild' 'switch'"* ]]
  [[ $output != *'$6$salt$hash'* ]]
  [[ $(calls nixos-rebuild) == '' ]]
}

@test "a dry run needs neither root nor tools that only root can use" {
  chmod 000 "$HV_ROOT/etc/shadow"
  rm "$HV_ROOT/run/current-system/sw/bin/nixos-generate-config"
  run not_root bootstrap_nixos.sh --dry-run --source "$FAKE_SOURCE"
  [[ $status == 0 && $output == *'without their passwords'*"would run: 'nixos-rebuild' 'switch'"* ]]
}

# page: quick-install#hardened
@test "the caller's environment does not lead the scripts astray" {
  mkdir "$BATS_TEST_TMPDIR/evil"
  printf '#!/bin/sh\ntouch %q\n' "$BATS_TEST_TMPDIR/astray" >"$BATS_TEST_TMPDIR/evil/tar"
  chmod +x "$BATS_TEST_TMPDIR/evil/tar"
  umask 0
  PATH=$BATS_TEST_TMPDIR/evil:$PATH IFS=/ CDPATH=/ bootstrap
  [[ ! -e $BATS_TEST_TMPDIR/astray && -e $(hypervisor src/flake.nix) ]]
  [[ $(stat -c %a "$(hypervisor configuration/users-local.nix)") == 600 ]]
  for script in "$SOURCE_ROOT"/scripts/{bootstrap_nixos,dev_update_hypervisor,rebuild_helper}.sh; do
    [[ $(sed -n '/^[^#]/{p;q}' "$script") == 'set -Eeuo pipefail' ]]
  done
}

# page: quick-install#one-shot
@test "from a checkout or a USB stick it installs in one go, without a question" {
  cd "$SOURCE_ROOT"
  run script bootstrap_nixos.sh --hostname "$(cut -d . -f 1 "$HV_ROOT/etc/hostname")" --force --source "$(pwd)"
  [[ $status == 0 && $output == *'the new system runs, and is what boots'* ]]
  cmp "$SOURCE_ROOT/scripts/suite/lib/common.sh" "$(hypervisor src/scripts/suite/lib/common.sh)"
  [[ $(calls nixos-rebuild | cut -d ' ' -f 1) == $'\'test\'\n\'switch\'' ]]
}

@test "the new system is built with the umask that systems are built with" {
  reply_by nixos-rebuild '' 'umask >"$root/umask"'
  bootstrap
  [[ $(<"$HV_ROOT/umask") == 0022 ]]
}

@test "--help says what each option is for" {
  run -0 script bootstrap_nixos.sh --help
  for flag in hostname action force source fast skip-update-check reboot dry-run help; do
    [[ $output == *"--$flag"* ]]
  done
}
