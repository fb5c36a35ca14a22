# shellcheck shell=bash disable=SC2034,SC2086,SC2154,SC2174 # used by those that read it, and set by common.sh
# SPDX-License-Identifier: MIT
#
# What the upgrade commands share: which flake this host is built from, who upgrades at
# the moment, files of state, the journal. Read after common.sh.
#
#   /var/lib/hypervisor/update-available       what hv-check-updates has found
#   /var/lib/hypervisor/upgrade-test-result    the verdict of hv-upgrade-test
#   /var/lib/hypervisor/upgrade/               the configuration that was tested
#   /var/lib/hypervisor/backups/TIME           /etc/nixos and /etc/hypervisor before an upgrade

notice=$state_directory/update-available
login_notice=$host/etc/motd.d/updates-available
test_result=$state_directory/upgrade-test-result
work=$state_directory/upgrade
candidate=$work/flake
candidate_pin=$work/flake
backups=$state_directory/backups
running_system=$host/run/current-system
system_profile=$host/nix/var/nix/profiles/system

readonly exit_busy=75
export NIX_CONFIG='extra-experimental-features = nix-command flakes'

flake_directory='' # set by find_flake: what is below its name
flake_host=''      # the attribute of nixosConfigurations
pin_directory=''   # where nixpkgs is named and locked: there, or /etc/hypervisor

# find_flake DIRECTORY HOST: the words of --flake and --host, empty where they were not given.
find_flake() {
  local directory=$1 place
  flake_host=$2
  if [[ -z $directory ]]; then
    for place in "$host/etc/nixos" "$host/etc/hypervisor"; do
      [[ ! -e $place/flake.nix ]] || { directory=$place && break; }
    done
    [[ $directory ]] || die $exit_unavailable "neither /etc/nixos nor /etc/hypervisor has a flake.nix" \
      "this is for NixOS hosts set up by bootstrap_nixos.sh; or name the folder: --flake DIRECTORY"
  fi
  [[ -f $directory/flake.nix ]] || die $exit_usage "'$directory' has no flake.nix"
  flake_directory=$(readlink -f "$directory")
  pin_directory=$flake_directory
  # As bootstrap_nixos.sh has it: one flake for the hardware, the release in the other.
  ! grep -q '"path:/etc/hypervisor"' "$flake_directory/flake.nix" || pin_directory=$settings
  [[ -f $pin_directory/flake.nix ]] || die $exit_data "'$flake_directory/flake.nix' stands on '$pin_directory', which has no flake.nix" \
    "bootstrap_nixos.sh writes it"
  [[ $flake_host ]] || flake_host=$(this_hostname)
  [[ $flake_host =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]*$ ]] || die $exit_usage "'$flake_host' is no name of a host"
}

# take_turn NAME: one of a kind at a time; held until this process ends.
take_turn() {
  [[ -z $dry_run ]] || return 0
  # Not in /run, which the update checker's unit may not write to.
  local lock=$state_directory/.$1.lock
  make_folder "$state_directory"
  { exec {turn}>>"$lock"; } 2>/dev/null || die $exit_no_permission "'$lock' cannot be written" "see: findmnt -T $state_directory; df -h $state_directory"
  flock --nonblock "$turn" ||
    die $exit_busy "another run of this kind is under way: '$lock' is held" "wait for its end; see: ps -ef | grep hv-"
}

# without_turn COMMAND...: what it starts must not hold our lock when we are gone.
without_turn() {
  if [[ ${turn:-} ]]; then "$@" {turn}>&-; else "$@"; fi
}

# own_folder PATH: nobody else's.
own_folder() { mkdir -p -- "$1" && chmod 0700 -- "$1"; }

# put_state PATH MODE: standard input becomes the file, whole or not at all. Unlike
# put_file it leaves no earlier one beside it: /etc/motd.d would show that too.
put_state() {
  local path=$1 mode=$2 folder draft
  folder=$(dirname "$path")
  if [[ -n $dry_run ]]; then
    printf 'would write %s\n' "$path"
    cat >/dev/null
    return
  fi
  # One name, as there is one writer: what a kill leaves, the next run replaces.
  draft=$folder/.${path##*/}.draft
  mkdir -p -m 0755 -- "$folder" && rm -f -- "$draft" || return 1
  if ! cat >"$draft" || ! chmod "$mode" "$draft" || ! sync "$draft" || ! mv -fT -- "$draft" "$path"; then
    rm -f -- "$draft"
    return 1
  fi
}

# value_of KEY FILE: of a file of `key: value` lines.
value_of() { sed -n "s/^$1: //p" "$2" 2>/dev/null | head -n 1; }

# audit UNIT MESSAGE: into the journal, where `journalctl -u UNIT` shows it. A journal that
# takes nothing costs the entry, never the work.
audit() {
  [[ -z $dry_run ]] || return 0
  printf '%s\n' "MESSAGE=$2 (by ${SUDO_USER:-root})" PRIORITY=5 "SYSLOG_IDENTIFIER=$program" \
    "OBJECT_SYSTEMD_UNIT=$1.service" "UNIT_OF_SUITE=$program" | logger --journald || warn "the journal does not take: $2"
}

# The version as NixOS names it, 26.05.20260531.b51242d: of what runs, and of what boots.
running_version() { nixos-version; }
boot_version() { cat "$system_profile/nixos-version" 2>/dev/null || nixos-version; }
# The revision's first digits, as the version of what boots ends with them: what runs may
# be a test. Nothing if it was not built from a known revision.
boot_revision() {
  [[ ! $(boot_version) =~ \.([0-9a-f]{7,})( |$) ]] || printf '%s\n' "${BASH_REMATCH[1]}"
}

# Without it no downgrade could be told from an upgrade.
require_known_release() {
  local version
  version=$(running_version) || version=''
  [[ $(release_of "$version") ]] ||
    die $exit_unavailable "nixos-version does not say which release of NixOS runs" "try: nixos-version"
}

# release_of TEXT: the 26.05 in a version or in a branch's name; nothing if there is none.
release_of() {
  [[ $1 =~ (^|-)([0-9][0-9]\.[0-9][0-9]) ]] || return 0
  printf '%s\n' "${BASH_REMATCH[2]}"
}

# is_older ONE OTHER: of two releases; an unknown one is older than nothing.
is_older() { [[ $1 && $2 && $1 < $2 ]]; }

remove_notices() { change rm -f -- "$notice" "$login_notice"; }
