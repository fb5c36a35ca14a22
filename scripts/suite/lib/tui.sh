# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# Questions on a console, by whiptail or else dialog; needs common.sh.
#
#   tui_begin                                      # once; ends where there is no terminal
#   vm=$(tui_menu "title" "text" TAG ITEM...)      # prints the tag chosen
#   picked=$(tui_checklist "title" "text" TAG ITEM on|off...)   # a tag a line
#   if tui_yesno "title" "question"; then
#   name=$(tui_input "title" "text" ["default"])
#   tui_message "title" "text"; tui_file "title" FILE; tui_notice "title" "text"
#
# Each ends with 0, with 1 if cancelled and 255 if escaped. Written before a call,
# `tui_default=TAG tui_menu ...` and `tui_default=no tui_yesno ...` mark an answer and
# `tui_cancel=WORD` names the cancel button. Boxes fit the terminal, at best 80x24; texts
# may be of any length and hold anything.

tui_begin() {
  { : >/dev/tty; } 2>/dev/null ||
    die "$exit_unavailable" "there is no terminal to ask on" "give the answers as flags; see $program --help"
  tui_program=$(type -P whiptail || type -P dialog) ||
    die "$exit_unavailable" "neither whiptail nor dialog is installed" "install one of them, or give the answers as flags"
  # What a serial console's getty leaves: no terminal type, and a size of nothing.
  case ${TERM:-} in '' | dumb | unknown) export TERM=vt102 ;; esac
  ! type -P tput >/dev/null || tput cols >/dev/null 2>&1 || export TERM=vt102
  tui_measure
}

# Again before each box: a terminal may have been resized.
tui_measure() {
  tui_rows=0 tui_columns=0
  read -r tui_rows tui_columns < <(stty size </dev/tty 2>/dev/null) || true
  if ((tui_rows == 0 || tui_columns == 0)); then
    tui_rows=24 tui_columns=80
    stty rows 24 cols 80 </dev/tty 2>/dev/null || true
  fi
  tui_width=$((tui_columns < 80 ? tui_columns - 2 : 76))
}

# No control character of a name or a message reaches the terminal; a leading dash would
# be read as an option.
tui_clean() {
  local text=${1//[^[:print:]$'\n']/?}
  [[ $text != -* ]] || text=" $text"
  printf '%s' "$text"
}

# tui_box OPTION...: the box itself. Drawn on the terminal even where standard output and
# error go to a log; the answer comes on standard output.
tui_box() {
  "$tui_program" --output-fd 3 "$@" 3>&1 >/dev/tty 2>/dev/tty </dev/tty
}

# tui_start TITLE TEXT SPARE: sets `tui_text`, folded and cut to what the screen holds
# beside SPARE lines, `tui_height` of both, and `tui_options`.
tui_start() {
  local lines room
  tui_measure
  room=$((tui_rows - 2 - $3))
  mapfile -t lines < <(tui_clean "$2" | fold -s -w $((tui_width - 6)))
  if ((${#lines[@]} > room)); then
    lines=("${lines[@]:0:room-1}" ..)
  fi
  printf -v tui_text '%s\n' "${lines[@]}"
  tui_text=${tui_text%$'\n'}
  tui_height=$((${#lines[@]} + $3))
  tui_options=(--backtitle "${tui_backtitle:-hvlaunch}" --title "$(tui_clean "$1")")
  [[ -z ${tui_cancel:-} ]] || case $tui_program in
  */dialog) tui_options+=(--cancel-label "$tui_cancel") ;;
  *) tui_options+=(--cancel-button "$tui_cancel") ;;
  esac
}

# tui_fit STEP WORD...: sets `tui_items`: each STEP-th word beginning with the second is
# what the line says, cut where the box ends.
tui_fit() {
  local step=$1 i widest=0 room
  shift
  tui_items=("$@")
  for ((i = 0; i < $#; i += step)); do
    ((${#tui_items[i]} <= widest)) || widest=${#tui_items[i]}
  done
  room=$((tui_width - widest - (step == 3 ? 16 : 12)))
  for ((i = 1; i < $#; i += step)); do
    tui_items[i]=$(tui_clean "${tui_items[i]//$'\n'/ }")
    ((${#tui_items[i]} <= room)) || tui_items[i]=${tui_items[i]:0:room-2}..
  done
}

tui_list() {
  local kind=$1 step=$2 title=$3 text=$4 list least
  shift 4
  list=$(($# / step))
  least=$((list < 4 ? list : 4))
  tui_start "$title" "$text" $((7 + least))
  ((list <= tui_rows - 2 - tui_height + least)) || list=$((tui_rows - 2 - tui_height + least))
  tui_height=$((tui_height - least + list))
  tui_fit "$step" "$@"
  [[ $kind != --checklist ]] || tui_options+=(--separate-output)
  [[ -z ${tui_default:-} ]] || tui_options+=(--default-item "$tui_default")
  tui_box "${tui_options[@]}" "$kind" "$tui_text" "$tui_height" "$tui_width" "$list" "${tui_items[@]}"
}

tui_menu() { tui_list --menu 2 "$@"; }

tui_checklist() { tui_list --checklist 3 "$@"; }

tui_yesno() {
  tui_start "$1" "$2" 7
  [[ ${tui_default:-} != no ]] || tui_options+=(--defaultno)
  tui_box "${tui_options[@]}" --yesno "$tui_text" "$tui_height" "$tui_width"
}

tui_input() {
  local default=${3:-}
  tui_start "$1" "$2" 8
  tui_box "${tui_options[@]}" --inputbox "$tui_text" "$tui_height" "$tui_width" "$default"
}

# In pages: whiptail's own scrolling draws over its frame.
tui_message() {
  local lines from page
  tui_measure
  page=$((tui_rows > 9 ? tui_rows - 8 : 1))
  mapfile -t lines < <(tui_clean "$2" | fold -s -w $((tui_width - 6)))
  for ((from = 0; from < ${#lines[@]} || from == 0; from += page)); do
    tui_start "$(tui_page_title "$1" "$from" "$page" ${#lines[@]})" \
      "$(printf '%s\n' "${lines[@]:from:page}")" 6
    tui_box "${tui_options[@]}" --msgbox "$tui_text" "$tui_height" "$tui_width" || return
  done
}

# tui_page_title TITLE FIRST-LINE LINES-A-PAGE LINES
tui_page_title() {
  local pages=$((($4 + $3 - 1) / $3))
  if ((pages < 2)); then printf '%s' "$1"; else printf '%s (%d of %d)' "$1" $(($2 / $3 + 1)) "$pages"; fi
}

# tui_notice: stays while the work that follows goes on.
tui_notice() {
  tui_start "$1" "$2" 4
  tui_box "${tui_options[@]}" --infobox "$tui_text" "$tui_height" "$tui_width"
}

tui_file() {
  local text
  text=$(cat -- "$2" 2>&1) || true
  tui_message "$1" "${text:-(empty)}"
}
