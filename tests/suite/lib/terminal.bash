# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# A terminal of 80x24 with somebody at it, by tmux. Nothing sleeps: a screen is waited for.
#
#   terminal_open COMMAND...          # runs it; closed by terminal_close in teardown
#   terminal_awaits 'text'            # until the screen has it, at most 60 seconds
#   terminal_keys Down Enter          # as `tmux send-keys` names them
#   terminal_screen                   # what is to be seen
#   terminal_ended                    # until the command has ended; its status
#   screen_is NAME                    # the screen equals screens/NAME.txt (HVLAUNCH_ACCEPT=1 writes it)

terminal_tmux() { tmux -L "hv-${BATS_TEST_TMPDIR//\//-}" -f /dev/null "$@"; }

terminal_open() {
  local command
  printf -v command '%q ' "$@"
  mkfifo "$BATS_TEST_TMPDIR/ended"
  # Held open by this shell, so that the writer never waits for a reader.
  exec {terminal_fd}<>"$BATS_TEST_TMPDIR/ended"
  terminal_tmux new-session -d -x 80 -y 24 \
    "TERM=${TERMINAL_TYPE:-screen} $command; echo \$? >'$BATS_TEST_TMPDIR/ended'; exec cat"
}

terminal_screen() { terminal_tmux capture-pane -p | sed 's/[[:space:]]*$//'; }

terminal_keys() { terminal_tmux send-keys "$@"; }

terminal_awaits() {
  local end=$((SECONDS + 60))
  until [[ $(terminal_screen) == *"$1"* ]]; do
    if ((SECONDS >= end)); then
      printf "the screen does not come to have '%s':\n%s\n" "$1" "$(terminal_screen)" >&2
      return 1
    fi
    read -r -t 0.05 -u "$terminal_idle" || true
  done
}

terminal_ended() {
  local status
  read -r -t 60 -u "$terminal_fd" status || status=124
  ((status == 0)) || terminal_screen >&2
  return "$status"
}

terminal_close() {
  terminal_tmux kill-server 2>/dev/null || true
}

screen_is() {
  local golden=$SUITE_TESTS/screens/$1.txt end=$((SECONDS + 20))
  if [[ ${HVLAUNCH_ACCEPT:-} ]]; then
    mkdir -p "${golden%/*}"
    terminal_screen >"$golden"
  fi
  # What was waited for may be drawn before the rest.
  until diff "$golden" <(terminal_screen) >"$BATS_TEST_TMPDIR/difference"; do
    if ((SECONDS >= end)); then
      cat "$BATS_TEST_TMPDIR/difference" >&2
      return 1
    fi
    read -r -t 0.05 -u "$terminal_idle" || true
  done
}

# Nothing is ever written to it: reading with a time limit is waiting.
exec {terminal_idle}<> <(:)
