# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# nixos-rebuild as the suite calls it; needs common.sh.
#
#   rebuild_prepare
#   rebuild test /etc/nixos myhost [OPTION...]       # nothing of an earlier try is believed
#   rebuild_plainly test /etc/nixos myhost [OPTION...]
#
# `rebuild_fast=yes` lets Nix fetch many things at a time.

readonly rebuild_actions='build test switch'
rebuild_fresh=(--refresh --option tarball-ttl 0 --option narinfo-cache-positive-ttl 0 --option narinfo-cache-negative-ttl 0)
rebuild_parallel=(--option max-jobs auto --option http-connections 128 --option max-substitution-jobs 128 --option connect-timeout 10)
rebuild_fast=${rebuild_fast:-}

# What makes a rebuild of a fetch that went wrong worth another try.
readonly rebuild_cache_trouble='NAR hash mismatch|hash mismatch (in|importing)|narinfo|cached failure|is corrupt|has wrong (hash|size)|signature mismatch|lacks a (valid )?signature|unable to download'

usable_action() { [[ " $rebuild_actions " == *" $1 "* && $1 != *' '* ]]; }

# A host's name as DNS has it: it is an attribute of the flake and a part of its URL.
usable_hostname() { [[ $1 =~ ^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$ ]]; }

rebuild_prepare() {
  require_commands nixos-rebuild
  export NIX_CONFIG='experimental-features = nix-command flakes'
}

# The host's flake reads /etc/hypervisor as an input. Nix would keep to the content that a
# lock of it once named; given here, it is read as it is now.
rebuild_inputs() {
  local flake=$1/flake.nix
  [[ ! -r $flake || $(<"$flake") != *'"path:/etc/hypervisor"'* ]] ||
    printf '%s\n' --override-input hypervisor "path:$settings"
}

rebuild_plainly() {
  local action=$1 flake=$2 name=$3 options
  shift 3
  mapfile -t options < <(rebuild_inputs "$flake")
  [[ -z $rebuild_fast ]] || options+=("${rebuild_parallel[@]}")
  # Not with this script's umask: what a system makes of itself is for all its users.
  (umask 022 && change nixos-rebuild "$action" --flake "$flake#$name" "${options[@]}" "$@")
}

rebuild() {
  rebuild_plainly "$@" "${rebuild_fresh[@]}"
}

# rebuild_or_advise ACTION FLAKE NAME: its status; what it says of a cache that is out of
# step is recognised and the cure named.
rebuild_or_advise() {
  local said status=0
  said=$(mktemp) || return
  rebuild "$@" 2>&1 | tee -- "$said" || status=$?
  if ((status != 0)) && [[ $(<"$said") =~ $rebuild_cache_trouble ]]; then
    warn "Nix' cache or store is out of step with what it fetched"
    printf '  run: rebuild_helper.sh --flake %q --host %q --repair %s\n' "$2" "$3" "$1" >&2
  fi
  rm -f "$said" || true
  return "$status"
}
