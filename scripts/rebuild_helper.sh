#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -Eeuo pipefail
libraries=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/suite/lib
# shellcheck source=scripts/suite/lib/common.sh
source "$libraries/common.sh"
# shellcheck source=scripts/suite/lib/rebuild.sh
source "$libraries/rebuild.sh"
# shellcheck source=scripts/suite/lib/rebuild-repair.sh
source "$libraries/rebuild-repair.sh"

usage() {
  cat <<HELP
usage: rebuild_helper.sh [OPTION...] {build|test|switch}

Builds this host from its flake, tries it until the next boot (test), or makes it what
boots (switch). What an earlier try fetched is not believed: everything is asked for
afresh.

  --flake PATH   the folder with flake.nix (default: /etc/nixos)
  --host NAME    the flake's configuration (default: this host's name)
  --fast         many downloads at a time
  --repair       Nix' cache is out of step: go through the cures, from setting the clock to
                 building without a cache, until one lets the rebuild through; each is
                 announced and asked for
  --yes          with --repair: do not ask
  --dry-run      show what would be run
  --help         this text

exit status: 0 done, 64 wrong usage, 69 something is not there, 77 not root; else
nixos-rebuild's own
HELP
}

parse() {
  flake=$host/etc/nixos name='' action='' mode=rebuild assume_yes=''
  while (($#)); do
    case $1 in
    --flake | --host)
      (($# > 1)) || die "$exit_usage" "$1 needs a value" "see rebuild_helper.sh --help"
      if [[ $1 == --flake ]]; then flake=$2; else name=$2; fi
      shift
      ;;
    --fast) rebuild_fast=yes ;;
    --repair) mode=repair ;;
    --yes) assume_yes=yes ;;
    --dry-run) dry_run=yes ;;
    --help) usage && exit ;;
    -*) die "$exit_usage" "no option '$1'" "see rebuild_helper.sh --help" ;;
    *)
      [[ -z $action ]] || die "$exit_usage" "'$1' is one action too many, beside '$action'"
      action=$1
      ;;
    esac
    shift
  done
  # A repair's purpose is most often the rebuild that just went wrong.
  [[ $action || $mode != repair ]] || action=switch
  usable_action "$action" || die "$exit_usage" "'$action' is not one of build, test and switch"
  [[ $name ]] || name=$(this_hostname)
  usable_hostname "$name" || die "$exit_usage" "'$name' is not a host's name" "letters, digits and dashes, at most 63"
}

main() {
  parse "$@"
  [[ -n $dry_run || $action == build ]] || require_root "$@"
  rebuild_prepare
  [[ $flake == *:* || -r $flake/flake.nix ]] ||
    die "$exit_unavailable" "'$flake' has no flake.nix" "name the folder with --flake, or run bootstrap_nixos.sh first"
  if [[ $mode == repair ]]; then
    [[ -n $dry_run || $assume_yes || -t 0 ]] ||
      die "$exit_usage" "there is nobody to ask before each step" "say --yes to go through them unasked"
    require_root_for_repair "$@"
    log_to rebuild
    repair "$action" "$flake" "$name"
  else
    [[ $EUID != 0 ]] || log_to rebuild
    rebuild_or_advise "$action" "$flake" "$name"
  fi
}

require_root_for_repair() {
  [[ -n $dry_run ]] || require_root "$@"
  require_commands nix nix-store nix-collect-garbage
}

main "$@"
