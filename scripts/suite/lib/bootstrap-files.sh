# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# What bootstrap_nixos.sh puts below /etc; needs common.sh and nix-values.sh. `source_path`
# is the repository, `name` this host's.
#
#   /etc/hypervisor/src/                              the repository
#   /etc/hypervisor/flake.nix                         the NixOS release, and the suite on it
#   /etc/hypervisor/configuration/configuration.nix   this host's, and its local files
#   /etc/nixos/flake.nix                              hardware and all of the above

fallback_nixpkgs=github:NixOS/nixpkgs/nixos-26.05

# Two renames cannot be one: what an interruption between them left is put right.
recover_source() {
  [[ -z $dry_run ]] || return 0
  if [[ -d $settings/.src.old && ! -d $settings/src ]]; then
    mv -T "$settings/.src.old" "$settings/src"
  fi
  rm -rf "$settings/.src.new" "$settings/.src.old"
}

check_space() {
  local needed free
  needed=$(du -sk --exclude=.git --exclude=build "$source_path")
  free=$(df -kP "$host/etc")
  needed=${needed%%[[:space:]]*}
  read -r _ _ _ free _ <<<"${free##*$'\n'}"
  # As much again is for what is written beside it.
  ((free > needed + 1024)) ||
    die "$exit_unavailable" "'$host/etc' has $((free / 1024)) MiB free, and $((needed / 1024 + 2)) MiB are needed" \
      "make room, for instance: nix-collect-garbage --delete-older-than 30d"
}

copy_source() {
  local new=$settings/.src.new old=$settings/.src.old
  if [[ $source_path -ef $settings/src ]]; then
    say "the source is $settings/src already"
    return
  elif [[ -n $dry_run ]]; then
    printf 'would copy %s to %s\n' "$source_path" "$settings/src"
    return
  fi
  check_space
  make_folder "$new"
  # Not git's own files: the flake is copied to the store at each rebuild.
  tar -C "$source_path" --exclude=./.git --exclude=./build --exclude='./result*' -cf - . |
    tar -C "$new" --no-same-owner -xf -
  chmod -R u=rwX,go=rX "$new"
  [[ ! -d $settings/src ]] || mv -T "$settings/src" "$old"
  mv -T "$new" "$settings/src"
  rm -rf "$old"
}

# refuse_downgrade: what older releases cannot read of a newer one's data, nobody can mend.
refuse_downgrade() {
  local running becomes=''
  running=$(setting_of "$host/etc/os-release" VERSION_ID)
  [[ ! $(nixpkgs_of_source) =~ nixos-([0-9]{2}\.[0-9]{2}) ]] || becomes=${BASH_REMATCH[1]}
  [[ $running =~ ^[0-9]{2}\.[0-9]{2}$ && $becomes && $becomes != "$running" ]] || return 0
  [[ ! $becomes < $running ]] ||
    die "$exit_data" "this host runs NixOS $running, and would become $becomes: there is no way back to an older release" "use a source whose flake.nix names nixos-$running or later"
  say "NixOS $running becomes $becomes"
}

nixpkgs_of_source() {
  local line file=$settings/flake.nix
  # What was chosen on this host stays.
  [[ -r $file ]] || file=$source_path/flake.nix
  while IFS= read -r line; do
    if [[ $line =~ nixpkgs\.url[[:space:]]*=[[:space:]]*\"([^\"]+)\" ]]; then
      printf '%s' "${BASH_REMATCH[1]}"
      return
    fi
  done <"$file"
  printf '%s' "$fallback_nixpkgs"
}

suite_flake() {
  cat <<NIX
# The NixOS release of this host, and hvlaunch's modules on it. Yours to change:
#   sudo nix flake update          takes in what the release has become
# and then hv-upgrade-test.
{
  inputs.nixpkgs.url = $(nix_string "$(nixpkgs_of_source)");

  outputs =
    { nixpkgs, ... }:
    let
      source = (import ./src/flake.nix).outputs {
        inherit nixpkgs;
        self = source // {
          outPath = ./src;
        };
      };
    in
    source
    // {
      nixosModules = source.nixosModules // {
        host = ./configuration/configuration.nix;
      };
    };
}
NIX
}

host_flake() {
  cat <<NIX
# This host: its hardware, and what /etc/hypervisor says of it.
{
  inputs.hypervisor.url = "path:/etc/hypervisor";

  outputs =
    { hypervisor, ... }:
    {
      nixosConfigurations.$(nix_string "$name") = hypervisor.inputs.nixpkgs.lib.nixosSystem {
        modules = [
          ./hardware-configuration.nix
          hypervisor.nixosModules.hypervisor
          hypervisor.nixosModules.host
        ];
      };
    };
}
NIX
}

write_configuration() {
  local file=$settings/flake.nix text
  make_folder "$settings/configuration"
  make_folder "$settings/vm-profiles"
  if [[ ! -e $file ]]; then
    # The releases' exact state first: with the flake there, no later run would copy it.
    [[ ! -r $source_path/flake.lock ]] || put_file "$settings/flake.lock" 0644 <"$source_path/flake.lock"
    text=$(suite_flake)
    put_file "$file" 0644 <<<"$text"
  fi
  file=$settings/configuration/configuration.nix
  if [[ ! -e $file ]]; then
    put_file "$file" 0644 <"$source_path/configuration/configuration.nix"
  fi
}

write_hardware() {
  local file=$host/etc/nixos/hardware-configuration.nix text
  [[ ! -s $file ]] || return 0
  if [[ -n $dry_run ]]; then
    printf 'would write %s, as nixos-generate-config finds the hardware\n' "$file"
    return
  fi
  require_commands nixos-generate-config
  text=$(nixos-generate-config ${host:+--root "$host"} --show-hardware-config)
  put_file "$file" 0644 <<<"$text"
}

write_host_flake() {
  local file=$host/etc/nixos/flake.nix text
  text=$(host_flake)
  if [[ -e $file && $(<"$file") != "$text" ]]; then
    say "$file is replaced; what it was stays beside it as flake.nix.~N~"
  fi
  put_file "$file" 0644 <<<"$text"
  [[ ! -e $host/etc/nixos/configuration.nix ]] ||
    say "$host/etc/nixos/configuration.nix is not read any more: what you need of it belongs into $settings/configuration/configuration.nix"
}
