# shellcheck shell=bash disable=SC2016 # commands in texts for people
# SPDX-License-Identifier: MIT
#
# What Nix, nixos-rebuild and the activation say when an upgrade fails, and what helps.
#
#   recognise FILE          # the file holds what they printed; sets failure_kind
#   evidence FILE KIND      # the lines that gave it away
#   name_of KIND; cure_of KIND
#
# The first kind that matches counts: the disk that is full makes a builder fail too.

failure_kind=''

readonly -a failure_kinds=(disk-space hash-mismatch downgrade download configuration hardware
  permission lock services activation build unknown)

readonly -A failure_signs=(
  [disk-space]='No space left on device|database or disk is full|Disk quota exceeded'
  [hash-mismatch]='NAR hash mismatch|hash mismatch in fixed-output|hash mismatch importing|mismatch in field .narHash|does not match hash|has wrong checksum'
  [downgrade]='refusing to downgrade|cannot downgrade|created by a newer version'
  [download]='unable to download|Could not resolve host|Couldn.t connect to server|Connection (refused|reset|timed out)|HTTP error [0-9]+|Temporary failure in name resolution|Network is unreachable|unable to (fetch|access)|Failed to open archive|SSL certificate problem'
  [hardware]='hardware-configuration\.nix|does not specify your root file system|boot\.loader\.[a-zA-Z.]+. (option|is)|You must set the option .boot\.loader|efiSysMountPoint|[Ff]ailed to install (the )?boot ?loader|/dev/disk/by-[a-z]+/[^ ]+.*(does not exist|not found|No such)|cannot find a device|no EFI system partition|modprobe: FATAL'
  [configuration]='The option .+ (does not exist|has conflicting definition|is used but not defined|was accessed but has no value|can no longer be used|has been removed)|has conflicting definition values|Failed assertions|is not of type|A definition for option .+ is not|undefined variable|syntax error|infinite recursion encountered|attribute .+ missing|has been (renamed|removed)|does not provide attribute'
  [permission]='is not owned by current user|Permission denied|Read-only file system|Operation not permitted'
  [lock]='flake\.lock|lock file'
  [services]='has failed since the upgrade was activated|is no longer active|guest .+ no longer runs'
  [activation]='error\(s\) occurred while switching|the following units failed|Activation script snippet|switch-to-configuration'
  [build]='builder for .+ failed|[0-9]+ dependenc(y|ies) of derivation|build of .+ failed|Cannot build'
)

readonly -A failure_names=(
  [disk-space]='the disk is full'
  [hash-mismatch]='a download does not have the hash that it should (NAR hash mismatch)'
  [downgrade]='a downgrade'
  [download]='a download failed'
  [hardware]='the hardware or the way it boots is not what the configuration says'
  [configuration]='options of the configuration conflict, or no longer exist'
  [permission]='files belong to somebody else, or cannot be written'
  [lock]='flake.lock cannot be used'
  [services]='services or guests did not survive it'
  [activation]='the new system could be built, but not activated'
  [build]='a package could not be built'
  [unknown]='none of the usual failures'
)

readonly -A failure_cures=(
  [disk-space]='see what is free:          df -h /nix
remove old generations:    sudo nix-collect-garbage -d
try again:                 sudo hv-upgrade-test'
  [hash-mismatch]='a clock that is wrong, or a stale cache, does this. In this order:
all steps at once:         sudo /etc/hypervisor/src/scripts/rebuild_helper.sh --repair
only check the store:      sudo nix-store --verify --check-contents --repair
try again without a cache: sudo hv-upgrade-test -- --option substituters ""'
  [downgrade]='name the release that runs, or a newer one, in flake.nix, then:
                           sudo hv-upgrade-test'
  [download]='see whether GitHub answers: curl -I https://github.com/NixOS/nixpkgs
and the cache of packages:  curl -I https://cache.nixos.org/nix-cache-info
try again:                  sudo hv-upgrade-test'
  [hardware]='describe this hardware anew: sudo nixos-generate-config
(add --force to replace configuration.nix as well), compare it with
what the configuration imports, then: sudo hv-upgrade-test'
  [configuration]='the message names the option and the file. Rename or remove it there; release notes
say what took its place: https://nixos.org/manual/nixos/stable/release-notes.html
then:                      sudo hv-upgrade-test'
  [permission]='the files are to be root'"'"'s: sudo chown -R root:root /etc/nixos /etc/hypervisor
and to be writable:          sudo chmod -R u+rw /etc/nixos /etc/hypervisor'
  [lock]='make it anew: move flake.lock away, run `sudo nix flake lock` in that folder, then:
                           sudo hv-upgrade-test'
  [services]='see why:                   journalctl -xe; systemctl --failed
their settings may need a change for the new versions; then: sudo hv-upgrade-test'
  [activation]='see why:                   journalctl -xe; systemctl --failed
then:                      sudo hv-upgrade-test'
  [build]='see whether there is room: df -h /nix
remove old generations:    sudo nix-collect-garbage -d
try again, perhaps with a later revision: sudo hv-upgrade-test'
  [unknown]='read the log, above all its last lines, and the journal: journalctl -xe'
)

# recognise FILE
recognise() {
  for failure_kind in "${failure_kinds[@]}"; do
    [[ $failure_kind != unknown ]] || return 0
    ! grep -Eq -- "${failure_signs[$failure_kind]}" "$1" || return 0
  done
}

# evidence FILE KIND: five lines at most.
evidence() {
  if [[ $2 == unknown ]]; then
    tail -n 5 -- "$1"
  else
    grep -E -m 5 -- "${failure_signs[$2]}" "$1" || true
  fi
}

name_of() { printf '%s\n' "${failure_names[$1]}"; }
cure_of() { printf '%s\n' "${failure_cures[$1]}"; }
