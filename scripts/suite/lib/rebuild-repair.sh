# shellcheck shell=bash disable=SC2154 # of common.sh and rebuild.sh
# SPDX-License-Identifier: MIT
#
# What to try when Nix' cache is out of step, the mildest first; needs common.sh and
# rebuild.sh.
#
#   repair switch /etc/nixos myhost      # ends at the first step that lets it rebuild

repair_titles=(
  'set the clock by a time server: certificates and time limits depend on it'
  "clear Nix' download caches and collect garbage; OLD GENERATIONS ARE DELETED, there is no rollback to them"
  'read the whole store and repair what is damaged; this takes long'
  'rebuild with everything asked for afresh'
  'rebuild with the official cache alone'
  'rebuild without any cache: everything is compiled here, which can take hours'
)

readonly repair_cache='https://cache.nixos.org'
readonly repair_cache_key='cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='

repair_clock() {
  change nix shell nixpkgs#chrony --command chronyc -a makestep
}

# Whoever called sudo has a cache, too. It is removed as them: what their folders lead to
# is theirs to say, and root would follow.
repair_cache_of_caller() {
  local name home
  [[ ${SUDO_USER:-} && $SUDO_USER != root && -r $host/etc/passwd ]] || return 0
  while IFS=: read -r name _ _ _ _ home _; do
    [[ $name != "$SUDO_USER" || $home != /* ]] ||
      change runuser -u "$name" -- rm -rf -- "$host$home/.cache/nix" || return
  done <"$host/etc/passwd"
}

repair_caches() {
  local status=0
  change rm -rf -- "$host/root/.cache/nix" || status=$?
  repair_cache_of_caller || status=$?
  change nix-collect-garbage -d || status=$?
  change nix store gc || status=$?
  return "$status"
}

repair_store() {
  change nix-store --verify --check-contents --repair
}

# repair_step NUMBER ACTION FLAKE NAME: the step, and a rebuild that shows whether it helped.
repair_step() {
  local number=$1
  shift
  case $number in
  1) repair_clock || warn "the clock could not be set; going on" ;;
  2) repair_caches || warn "not all of the caches could be cleared; going on" ;;
  3) repair_store || warn "not all of the store could be repaired; going on" ;;
  4) rebuild "$@" && return ;;
  5) rebuild_plainly "$@" --refresh --option substituters "$repair_cache" --option trusted-public-keys "$repair_cache_key" && return ;;
  6) rebuild_plainly "$@" --option substituters '' && return ;;
  esac
  ((number < 4)) && rebuild_plainly "$@"
}

repair() {
  local number title
  for number in "${!repair_titles[@]}"; do
    title=${repair_titles[number]}
    number=$((number + 1))
    say "step $number of ${#repair_titles[@]}: $title"
    if [[ -z ${assume_yes:-} && -z $dry_run ]] && ! confirm "do this?"; then
      say "step $number left out"
      continue
    fi
    # A dry run shows all of them, and no step of it helps.
    if repair_step "$number" "$@" && [[ -z $dry_run ]]; then
      say "step $number helped: $1 of '$2#$3' is done"
      return
    fi
  done
  [[ -n $dry_run ]] || die "$exit_unavailable" "none of the steps helped" \
    "see what the last one said, and the free space: df -h /nix"
}
