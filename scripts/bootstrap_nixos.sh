#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -Eeuo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/suite/lib/common.sh
source "$here/suite/lib/common.sh"
# shellcheck source=scripts/suite/lib/tui.sh
source "$here/suite/lib/tui.sh"
# shellcheck source=scripts/suite/lib/nix-values.sh
source "$here/suite/lib/nix-values.sh"
# shellcheck source=scripts/suite/lib/migrate-boot.sh
source "$here/suite/lib/migrate-boot.sh"
# shellcheck source=scripts/suite/lib/migrate-system.sh
source "$here/suite/lib/migrate-system.sh"
# shellcheck source=scripts/suite/lib/migrate-users.sh
source "$here/suite/lib/migrate-users.sh"
# shellcheck source=scripts/suite/lib/rebuild.sh
source "$here/suite/lib/rebuild.sh"
# shellcheck source=scripts/suite/lib/bootstrap-files.sh
source "$here/suite/lib/bootstrap-files.sh"
# shellcheck source=scripts/suite/lib/bootstrap-guide.sh
source "$here/suite/lib/bootstrap-guide.sh"

usage() {
  cat <<HELP
usage: bootstrap_nixos.sh [OPTION...]

Installs hvlaunch's suite on this NixOS host: copies the source to /etc/hypervisor/src,
carries over users and settings, writes /etc/nixos/flake.nix, tries the new system and then
makes it what boots. Without options, on a terminal, it asks. It can be run again at any
time, also after it was interrupted.

  --hostname NAME      this host's name, also its name in the flake (default: as it is)
  --action ACTION      build, test or switch only (default: test, then switch)
  --force              /etc/hypervisor is there: keep a copy and go on, without asking
  --source PATH        the repository (default: the one this script is in)
  --fast               many downloads at a time
  --skip-update-check  do not offer to update the source first
  --reboot             reboot once the new system is what boots
  --dry-run            show what would be written and run
  --help               this text

exit status: 0 done, 1 something failed or was declined, 64 wrong usage, 65 this host's own
files cannot be used, 69 something is not there, 77 not root; else nixos-rebuild's own
HELP
}

parse() {
  name='' action='' force='' source_path='' fast='' update=yes reboot=''
  while (($#)); do
    case $1 in
    --hostname | --action | --source)
      (($# > 1)) || die "$exit_usage" "$1 needs a value" "see bootstrap_nixos.sh --help"
      case $1 in
      --hostname) name=$2 ;;
      --action) action=$2 ;;
      --source) source_path=$2 ;;
      esac
      [[ $2 ]] || die "$exit_usage" "$1 needs a value" "see bootstrap_nixos.sh --help"
      shift
      ;;
    --force) force=yes ;;
    --fast) fast=yes ;;
    --skip-update-check) update='' ;;
    --reboot) reboot=yes ;;
    --dry-run) dry_run=yes ;;
    --help) usage && exit ;;
    *) die "$exit_usage" "no option '$1'" "see bootstrap_nixos.sh --help" ;;
    esac
    shift
  done
}

settle() {
  [[ -z $action ]] || usable_action "$action" ||
    die "$exit_usage" "'$action' is not one of build, test and switch" "without --action it is tested, then switched"
  [[ -z $reboot || -z $action || $action == switch ]] ||
    die "$exit_usage" "--reboot goes with a switch; '$action' would be lost by it"
  [[ $name ]] || name=$(this_hostname)
  usable_hostname "$name" || die "$exit_usage" "'$name' is not a host's name" "give one by --hostname: letters, digits and dashes, at most 63"
  [[ $source_path ]] || source_path=${here%/scripts}
  [[ -r $source_path/flake.nix && -r $source_path/scripts/bootstrap_nixos.sh ]] ||
    die "$exit_unavailable" "'$source_path' is not hvlaunch's repository" "name the folder with its flake.nix by --source"
  source_path=$(readlink -f -- "$source_path")
}

check_host() {
  [[ -n $dry_run ]] || require_root "$@"
  rebuild_prepare
  [[ -n $dry_run || -w $host/etc ]] ||
    die "$exit_unavailable" "'$host/etc' cannot be written" "is it mounted read-only? mount -o remount,rw /"
}

# Two at a time would copy over each other.
only_one() {
  [[ -z $dry_run ]] || return 0
  exec {lock}>"$host/run/hvlaunch-bootstrap.lock"
  flock -n "$lock" || die 1 "another bootstrap is at work" "wait for it to end"
}

update_source() {
  [[ -n $update && -z $dry_run ]] || return 0
  if [[ ! -e $source_path/.git ]]; then
    say "'$source_path' is no git checkout: not updated"
  elif [[ ! -t 0 ]]; then
    say "nobody is there to ask: the source is not updated"
  elif ! online; then
    say "no network: the source is not updated"
  elif confirm "Check for updates on GitHub and download them before installing?"; then
    if "$source_path/scripts/dev_update_hypervisor.sh" --source "$source_path" --yes; then
      run_updated
    fi
    confirm "Go on with the source as it is?" || die 1 "stopped: the source was not updated" "go on without: --skip-update-check"
  fi
}

# The script may be among what was updated.
run_updated() {
  local options=(--skip-update-check --hostname "$name" --source "$source_path")
  [[ -z $action ]] || options+=(--action "$action")
  [[ -z $force ]] || options+=(--force)
  [[ -z $fast ]] || options+=(--fast)
  [[ -z $reboot ]] || options+=(--reboot)
  exec {lock}>&-
  exec "$source_path/scripts/bootstrap_nixos.sh" "${options[@]}"
}

# A run that was interrupted had been allowed to, and had kept the copy.
keep_what_is_there() {
  local copy
  [[ -e $settings && ! -e $settings/.unfinished ]] || return 0
  if [[ -z $force && -z $dry_run ]]; then
    [[ -t 0 ]] || die 1 "'$settings' is there already" "say --force to keep a copy of it and replace its source"
    confirm "'$settings' is there already. Keep a copy and replace its source?" || die 1 "stopped: '$settings' is as it was"
  fi
  doing="keeping a copy of $settings"
  copy=$(keep_copy "$settings")
  say "a copy of what was in $settings ${dry_run:+would be }kept: $copy"
}

begin() {
  doing="preparing $settings"
  make_folder "$settings"
  [[ -n $dry_run ]] || : >"$settings/.unfinished"
  recover_source
}

report_end() {
  ((exit_status != 0)) || return 0
  [[ -z ${doing:-} ]] || {
    warn "stopped while $doing"
    printf '  what is written is whole; see above for the cause, then run the same again\n' >&2
  }
}

install_files() {
  doing="copying the source to $settings/src"
  copy_source
  doing="carrying over users"
  migrate_users
  doing="carrying over this host's settings"
  migrate_system "$name"
  doing="writing the configuration"
  write_configuration
  write_hardware
  write_host_flake
}

run_actions() {
  local step actions=(test switch)
  [[ -z $action ]] || actions=("$action")
  rebuild_fast=$fast
  # Where a build leaves its link `result`, which keeps it from the garbage collector.
  make_folder "$state_directory"
  [[ -n $dry_run ]] || cd "$state_directory"
  for step in "${actions[@]}"; do
    doing="running nixos-rebuild $step"
    say "$doing"
    rebuild_or_advise "$step" "$host/etc/nixos" "$name"
  done
}

finish() {
  [[ -n $dry_run ]] || rm -f "$settings/.unfinished"
  doing=''
  case ${action:-switch} in
  build) say "built: $state_directory/result; nothing runs from it yet" ;;
  test) say "the new system runs until the next boot; to keep it: $program --force --action switch" ;;
  switch) say "the new system runs, and is what boots" ;;
  esac
  [[ -z $reboot ]] || change systemctl reboot
}

main() {
  parse "$@"
  settle
  if (($# == 0)); then
    [[ -t 0 ]] || die "$exit_usage" "no options, and nobody there to ask" "say what to do, for instance: --action test; see --help"
    guide
  fi
  check_host "$@"
  only_one
  update_source
  log_to bootstrap
  at_exit report_end
  refuse_downgrade
  keep_what_is_there
  begin
  install_files
  run_actions
  finish
}

main "$@"
