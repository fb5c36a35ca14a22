#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # run in another shell
# The boxes on a terminal of 80x24, as they look: screens/tui-*.txt.

load lib/root
load lib/terminal

setup() { new_root; }
teardown() { terminal_close; }

# asks CODE: in a shell that has the boxes; what it prints comes to $BATS_TEST_TMPDIR/answer.
asks() {
  terminal_open bash -c 'set -Eeuo pipefail
    source "$1/scripts/suite/lib/common.sh"
    source "$1/scripts/suite/lib/tui.sh"
    tui_begin
    eval "$2" >"$3" 2>&1' asks "$SOURCE_ROOT" "$1" "$BATS_TEST_TMPDIR/answer"
}
answer() { cat "$BATS_TEST_TMPDIR/answer"; }

@test "a menu of more than fits, with names that hold anything" {
  asks 'tui_default=vm3 tui_cancel=Back tui_menu "Virtual machines" "Which one? This text is long enough to go over the end of a line, which is folded at a word." \
    vm1 "$(printf "long %.0s" {1..40})" vm2 $'"'"'escape \e[31m and\nlines'"'"' vm3 "-dash" vm4 "\"quotes\" \${x} \`y\`" \
    $(for i in {5..30}; do echo "vm$i running"; done)'
  terminal_awaits 'Which one?'
  screen_is tui-menu
  terminal_keys Down Enter
  terminal_ended
  [[ $(answer) == vm4 ]]
}

@test "a list to tick" {
  asks 'tui_checklist "Devices" "Give which to the guest?" 0000:01:00.0 "NVIDIA" on 0000:01:00.1 "its sound" off 0000:02:00.0 "network" on'
  terminal_awaits 'Give which'
  screen_is tui-checklist
  terminal_keys Down Space Enter
  terminal_ended
  [[ $(answer) == $'0000:01:00.0\n0000:01:00.1\n0000:02:00.0' ]]
}

@test "a question whose mark is at no" {
  asks 'tui_default=no tui_yesno "Delete" "-f looks like an option. Delete it?" && echo yes || echo "no $?"'
  terminal_awaits 'Delete it?'
  screen_is tui-yesno
  terminal_keys Enter
  terminal_ended
  [[ $(answer) == 'no 1' ]]
}

@test "a line to fill in, kept as it was typed" {
  asks 'tui_input "Name" "Name of the bridge" br0'
  terminal_awaits 'Name of the bridge'
  screen_is tui-input
  terminal_keys C-u
  terminal_keys -l -- '-x "$y" \z'
  terminal_keys Enter
  terminal_ended
  [[ $(answer) == '-x "$y" \z' ]]
}

@test "a message longer than the screen comes in pages" {
  asks 'tui_message "Log" "$(seq 1 40)"; echo read'
  terminal_awaits 'Log (1 of 3)'
  screen_is tui-pages
  terminal_keys Enter
  terminal_awaits 'Log (2 of 3)'
  terminal_keys Enter
  terminal_awaits 'Log (3 of 3)'
  [[ $(terminal_screen) == *' 40 '* ]]
  terminal_keys Enter
  terminal_ended
  [[ $(answer) == read ]]
}

@test "escape is told from cancel" {
  asks 'tui_menu Title text a b || echo $?; tui_menu Again text a b || echo $?'
  terminal_awaits Title
  terminal_keys Escape
  terminal_awaits Again
  terminal_keys Tab Tab Enter
  terminal_ended
  [[ $(answer) == $'255\n1' ]]
}

@test "a screen with neither size nor kind is taken for 80x24" {
  TERMINAL_TYPE=dumb asks 'echo "$TERM"; tui_message Title "some text"'
  terminal_awaits 'some text'
  terminal_keys Enter
  terminal_ended
  [[ $(answer) == vt102 ]]
}

@test "without a terminal nothing is asked, and that is said" {
  run setsid -w bash -c 'source "$1/scripts/suite/lib/common.sh"; source "$1/scripts/suite/lib/tui.sh"; tui_begin' no-terminal "$SOURCE_ROOT" </dev/null
  [[ $status == 69 && $output == *'there is no terminal to ask on'* ]]
}
