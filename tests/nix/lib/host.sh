# shellcheck shell=bash disable=SC2154 # work, hvlaunch and accept are the runner's
# SPDX-License-Identifier: MIT
#
# A host as the bootstrap leaves it: /etc/hypervisor and /etc/nixos, evaluated as flakes.

# make_host DIRECTORY: both templates, with the repository in src/.
make_host() {
  mkdir -p "$1/hypervisor/configuration" "$1/nixos"
  copy_flake "$1/hypervisor/src"
  cp nix/templates/hypervisor/flake.nix "$1/hypervisor/"
  cp configuration/configuration.nix "$1/hypervisor/configuration/"
  cp nix/templates/host/*.nix "$1/nixos/"
  cat >"$1/nixos/hardware-configuration.nix" <<'NIX'
{ lib, ... }:
{
  nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/0000-0000";
    fsType = "ext4";
  };
}
NIX
}

# of_host DIRECTORY EXPRESSION: an option's value of the host called "hypervisor".
of_host() {
  nix_run nix eval --json --store "$work/store" --no-write-lock-file \
    --override-input hypervisor "path:$1/hypervisor" \
    --override-input hypervisor/nixpkgs "path:$work/flake/tests/nix/nixpkgs" \
    "path:$1/nixos#nixosConfigurations.hypervisor.config" --apply "config: $2"
}

# is EXPECTED DIRECTORY EXPRESSION
is() {
  local said
  said=$(of_host "$2" "$3") || return 1
  [[ $said == "$1" ]] || { echo "$3 is $said, not $1" && return 1; }
}

host_without_local_files() {
  local host=$work/bare
  make_host "$host"
  is '"hypervisor"' "$host" config.networking.hostName &&
    is '"26.05"' "$host" config.system.stateVersion &&
    is null "$host" config.time.timeZone &&
    is true "$host" config.hypervisor.enable &&
    of_host "$host" config.system.build.toplevel.drvPath >/dev/null
}

# What the bootstrap writes counts more than the suite's defaults, and less than what
# somebody writes; lists add up.
host_with_local_files() {
  local host=$work/migrated
  make_host "$host"
  cat >"$host/hypervisor/configuration/system-local.nix" <<'NIX'
{
  time.timeZone = "Europe/Berlin";
  console.keyMap = "de";
  system.stateVersion = "24.05";
  networking.firewall.enable = false;
  boot.kernelParams = [ "resume_offset=1" ];
}
NIX
  cat >"$host/hypervisor/configuration/users-local.nix" <<'NIX'
{
  users.users.alice = {
    isNormalUser = true;
    uid = 1000;
    extraGroups = [ "wheel" "kvm" ];
  };
}
NIX
  cat >"$host/nixos/configuration.nix" <<'NIX'
{
  boot.loader.systemd-boot.enable = true;
  time.timeZone = "Asia/Tokyo";
  boot.kernelParams = [ "quiet" ];
  hypervisor.admins = [ "alice" ];
  hypervisor.updateChecker.enable = false;
}
NIX
  is '"24.05"' "$host" config.system.stateVersion &&
    is '"de"' "$host" config.console.keyMap &&
    is '"Asia/Tokyo"' "$host" config.time.timeZone &&
    is false "$host" config.networking.firewall.enable &&
    is '["quiet","resume_offset=1"]' "$host" 'builtins.sort builtins.lessThan config.boot.kernelParams' &&
    is '["hvlaunch","kvm","kvm","wheel"]' "$host" 'builtins.sort builtins.lessThan config.users.users.alice.extraGroups' &&
    is false "$host" 'config.systemd.timers ? nixos-update-checker' &&
    of_host "$host" config.system.build.toplevel.drvPath >/dev/null
}

# A mistake in a local file is told with the file's name.
host_with_broken_local_file() {
  local host=$work/broken said
  make_host "$host"
  echo '{ time.timeZoen = "UTC"; }' >"$host/hypervisor/configuration/system-local.nix"
  if said=$(of_host "$host" config.time.timeZone 2>&1) ||
    ! grep -q "time.timeZoen' does not exist.*system-local.nix" <<<"$said"; then
    printf '%s\n' "$said"
    return 1
  fi
}

# The copy of the repository on a host has the whole flake's outputs.
suite_of_host_has_apps() {
  local program
  program=$(nix_run nix eval --raw --store "$work/store" --no-write-lock-file \
    --override-input nixpkgs "path:$work/flake/tests/nix/nixpkgs" \
    "path:$work/bare/hypervisor#apps.x86_64-linux.bootstrap.program") || return 1
  [[ $program == */src/scripts/bootstrap_nixos.sh ]] || { echo "$program" && return 1; }
}
