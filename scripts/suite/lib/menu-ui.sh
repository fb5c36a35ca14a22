# shellcheck shell=bash disable=SC2154,SC2034,SC2086,SC2174 # names of common.sh and of each other; codes are numbers
# SPDX-License-Identifier: MIT
#
# The menu's questions: boxes by tui.sh, or numbered prompts where boxes cannot be drawn
# (a terminal without cursor movements, one that is too small, no whiptail and no dialog).
#
#   ui_begin [whiptail|dialog|plain]
#   picked=$(ui_menu "title" "text" TAG ITEM...)
#   if ui_yesno "title" "question"; then
#   name=$(ui_input "title" "text" ["default"])
#   ui_message "title" "text"
#   ui_run "title" COMMAND...     # what it says is shown when it has ended
#   ui_terminal COMMAND...        # it has the whole screen until it ends
#
# A question that is not answered (cancel, Esc, Ctrl-C) ends with 1; a menu that nobody can
# answer any more, with 2.

# Below it a box shows a line or two of a list.
readonly ui_least_rows=16 ui_least_columns=60

ui_begin() {
  local wanted=${1:-} rows=0 columns=0
  ui=$wanted ui_note=
  read -r rows columns < <(stty size </dev/tty 2>/dev/null) || true
  if [[ -z $wanted ]]; then
    ui=boxes
    if ! { : >/dev/tty; } 2>/dev/null; then
      ui=plain
    elif ! ui_can_draw; then
      ui=plain
    elif ((rows > 0 && (rows < ui_least_rows || columns < ui_least_columns))); then
      ui=plain ui_note="this terminal has $columns x $rows characters; boxes need $ui_least_columns x $ui_least_rows"
    elif ! type -P whiptail >/dev/null && ! type -P dialog >/dev/null; then
      ui=plain ui_note="neither whiptail nor dialog is installed"
    fi
  fi
  [[ $ui == plain ]] || tui_begin
  case $wanted in
  whiptail | dialog)
    tui_program=$(type -P "$wanted") || die $exit_unavailable "'$wanted' is not installed" "leave out --ui, or take --ui plain"
    ;;
  esac
}

ui_can_draw() {
  case ${TERM:-dumb} in dumb | unknown) return 1 ;; esac
  ! type -P tput >/dev/null || tput cup 0 0 >/dev/null 2>&1
}

# Escape sequences that a name or a message holds are not the terminal's.
ui_clean() {
  printf '%s' "${1//[^[:print:]$'\n'$'\t']/?}"
}

ui_head() {
  printf '\n== %s ==\n' "$(ui_clean "$1")"
  [[ -z $2 ]] || printf '%s\n' "$(ui_clean "$2")"
} >&2

# ui_ask PROMPT: a line from whoever sits there.
ui_ask() {
  local answer
  printf '%s' "$1" >&2
  read -r answer || return 1
  printf '%s' "$answer"
}

ui_menu() {
  [[ $ui == plain ]] || {
    { : >/dev/tty; } 2>/dev/null || return 2
    tui_menu "$@" || return 1
    return 0
  }
  local title=$1 text=$2 tags=() answer
  shift 2
  ui_head "$title" "$text"
  while (($#)); do
    tags+=("$1")
    printf '%3d  %-16s %s\n' ${#tags[@]} "$1" "$(ui_clean "$2")" >&2
    shift 2
  done
  while true; do
    answer=$(ui_ask "number, or nothing to go back: ") || return 2
    [[ -n $answer ]] || return 1
    if [[ $answer =~ ^[0-9]{1,4}$ ]] && ((10#$answer >= 1 && 10#$answer <= ${#tags[@]})); then
      printf '%s' "${tags[10#$answer - 1]}"
      return 0
    fi
    printf "'%s' is not a number from 1 to %d\n" "$(ui_clean "$answer")" ${#tags[@]} >&2
  done
}

# ui_yesno TITLE QUESTION: with ui_default=no before the call, Enter alone means no.
ui_yesno() {
  if [[ $ui != plain ]]; then
    tui_default=${ui_default:-} tui_yesno "$@" || return 1
    return 0
  fi
  local answer hint='Y/n'
  [[ ${ui_default:-} != no ]] || hint='y/N'
  ui_head "$1" "$2"
  answer=$(ui_ask "[$hint] ") || return 1
  case $answer in
  [yY]*) return 0 ;;
  '') [[ ${ui_default:-} != no ]] ;;
  *) return 1 ;;
  esac
}

ui_input() {
  if [[ $ui != plain ]]; then
    tui_input "$@" || return 1
    return 0
  fi
  local answer
  ui_head "$1" "$2"
  answer=$(ui_ask "[${3:-}] ") || return 1
  printf '%s' "${answer:-${3:-}}"
}

# ui_checklist TITLE TEXT TAG ITEM on|off...: the tags, a line each.
ui_checklist() {
  if [[ $ui != plain ]]; then
    tui_checklist "$@" || return 1
    return 0
  fi
  local title=$1 text=$2 tag items=() word answer
  shift 2
  while (($#)); do
    tag=$1
    items+=("$tag")
    printf '%3d  %-16s %s\n' ${#items[@]} "$tag" "$(ui_clean "$2")" >&2
    shift 3
  done
  ui_head "$title" "$text"
  answer=$(ui_ask "numbers with spaces between, or nothing for none: ") || return 1
  for word in $answer; do
    [[ ! $word =~ ^[0-9]{1,4}$ ]] || ((10#$word < 1 || 10#$word > ${#items[@]})) || printf '%s\n' "${items[10#$word - 1]}"
  done
}

ui_message() {
  if [[ $ui != plain ]]; then
    tui_message "$@" || true
    return 0
  fi
  ui_head "$1" "$2"
  ui_ask "Enter goes on " >/dev/null || true
}

ui_notice() {
  if [[ $ui != plain ]]; then
    tui_notice "$@" || true
  else
    ui_head "$1" "$2"
  fi
}

# ui_run TITLE COMMAND...: with the command's own exit status.
ui_run() {
  local title=$1 status=0 said
  shift
  ui_notice "$title" "please wait ..."
  said=$("$@" 2>&1 </dev/null) || status=$?
  note "$(printf '%q ' "$@"): exit $status"
  ((status == 0)) || title="$title: not done (exit $status)"
  ui_message "$title" "${said:-done}"
  return "$status"
}

# ui_terminal COMMAND...: for what draws by itself. Ctrl-C ends it, not the menu.
ui_terminal() {
  local status=0
  ! type -P clear >/dev/null || [[ $ui == plain ]] || clear
  "$@" || status=$?
  note "$(printf '%q ' "$@"): exit $status"
  printf '\n'
  ui_ask "$([[ $status == 0 ]] || printf 'exit %s. ' "$status")Enter goes back to the menu " >/dev/null || true
  return "$status"
}

# note SENTENCE: into the menu's log, if there can be one.
note() {
  [[ -z $dry_run ]] || return 0
  mkdir -p -m 0750 "$log_directory" 2>/dev/null || return 0
  { printf '%(%FT%T%z)T %s\n' -1 "$(ui_clean "$1")" >>"$log_directory/menu.log"; } 2>/dev/null || true
}
