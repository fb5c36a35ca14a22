# shellcheck shell=bash disable=SC2034,SC2154 # of common.sh, for bootstrap_nixos.sh
# SPDX-License-Identifier: MIT
#
# The questions of bootstrap_nixos.sh when it is started without flags; needs tui.sh.
#
#   guide        # sets `name`, `action`, `force`, `fast`; ends the script if that is chosen

guide() {
  local choice title='Install hvlaunch on this host'
  tui_begin
  while true; do
    choice=$(tui_default=dry-run tui_cancel=Quit tui_menu "$title" \
      "Host '$name', from $source_path. Nothing is changed before you have chosen." \
      dry-run 'Show what would be written and run' \
      build 'Build the system, and leave it at that' \
      test 'Build and try it until the next boot' \
      switch 'Try it; if that works, make it what boots' \
      name 'Give this host another name') || guide_quit $?
    case $choice in
    dry-run) guide_dry_run ;;
    name) guide_name ;;
    *) ! guide_agreed "$choice" || return 0 ;;
    esac
  done
}

# guide_quit STATUS: of the menu; 1 and 255 are somebody's wish.
guide_quit() {
  (($1 == 1 || $1 == 255)) || die "$exit_unavailable" "the menu could not be shown" "give the answers as flags; see $program --help"
  say "nothing was changed"
  exit 0
}

guide_name() {
  local answer
  answer=$(tui_input "Name" "What is this host called?" "$name") || return 0
  if usable_hostname "$answer"; then
    name=$answer
  else
    tui_message "Name" "'$answer' is not a host's name: letters, digits and dashes, at most 63." || true
  fi
}

guide_dry_run() {
  local text
  tui_notice "Dry run" "Looking at this host..."
  text=$("${BASH_SOURCE[-1]}" --dry-run --skip-update-check --hostname "$name" --source "$source_path" 2>&1) || true
  tui_message "Dry run: nothing was changed" "$text" || true
}

# guide_agreed ACTION: sets what was agreed to; 1 goes back to the menu.
guide_agreed() {
  local question="/etc/hypervisor and /etc/nixos/flake.nix will be written"
  if ((EUID != 0)); then
    tui_message "Not root" "Only root may change this host. Quit, and run: sudo $program" || true
    return 1
  fi
  [[ ! -e $settings ]] || question="$settings is there already. A copy of it is kept, and its source replaced"
  tui_yesno "$1" "$question. Users and settings that are there already stay as they are. Go on?" || return 1
  tui_yesno "Downloads" "Download many things at a time? It is faster, and asks more of the network." && fast=yes
  force=yes
  # To switch is to test first, as without --action.
  case $1 in switch) action='' ;; *) action=$1 ;; esac
}
