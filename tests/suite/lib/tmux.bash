# shellcheck shell=bash disable=SC2034 # some are read by tests
# SPDX-License-Identifier: MIT
#
# A program on a real terminal, tmux's: keys in, screens out. No sleeping: the terminal's
# output wakes whoever waits.
#
#   load lib/tmux
#   terminal 80 24 scripts/suite/hypervisor-menu --ui dialog
#   screen_has "More Options"         # waits until it is there
#   keys Down Enter                   # names as tmux has them
#   pick "More Options"               # of a list
#   type_text "web"
#   golden menu/main-80x24            # the screen is that file; HVLAUNCH_ACCEPT=1 writes it
#   terminal_ends                     # waits for the program's end; its status in $ended
#   close_terminal                    # in teardown

SCREEN_SECONDS=${SCREEN_SECONDS:-20}

on_tmux() { tmux -L "$terminal_name" -f /dev/null "$@" 3>&- 4>&-; }

# terminal COLUMNS ROWS COMMAND...: with TERM from $terminal_type, as tmux has it unless set.
terminal() {
  local columns=$1 rows=$2 home=$BATS_TEST_TMPDIR
  shift 2
  terminal_name=hv-$$-$BATS_TEST_NUMBER
  mkfifo "$home/output" "$home/begin" 2>/dev/null || true
  exec {terminal_fd}<>"$home/output"
  printf 'read -r <%q; stty -ixon; %s%s; printf "%%s" $? >%q.part; mv %q.part %q\n' \
    "$home/begin" "${terminal_type:+TERM=$terminal_type }" "${*@Q}" "$home/status" "$home/status" "$home/status" >"$home/run.sh"
  rm -f "$home/status"
  on_tmux new-session -d -x "$columns" -y "$rows" "exec bash $home/run.sh"
  on_tmux set-option -g status off
  on_tmux set-option -g remain-on-exit on
  on_tmux resize-window -x "$columns" -y "$rows"
  on_tmux pipe-pane -o "exec cat >'$home/output'"
  echo go >"$home/begin"
}

screen() { on_tmux capture-pane -p | sed -e 's/[[:space:]]*$//'; }

# Until there is more output, or SECONDS are over, which is status 1.
terminal_stirs() {
  local byte
  IFS= LC_ALL=C read -r -d '' -N 1 -t "$1" -u "$terminal_fd" byte || return 1
  while LC_ALL=C read -r -d '' -N 4096 -t 0.05 -u "$terminal_fd" byte; do :; done
  return 0
}

# screen_is_so COMMAND...: waits until the command succeeds with the screen on its input.
screen_is_so() {
  local until=$((SECONDS + SCREEN_SECONDS))
  while ! screen | "$@"; do
    if ((SECONDS >= until)); then
      printf 'never came: %s\n' "$*" >&2
      screen >&2
      return 1
    fi
    terminal_stirs 1 || true
  done
}

screen_has() { screen_is_so grep -qF -- "$1"; }

no_longer() { ! grep -qF -- "$1"; }
screen_lost() { screen_is_so no_longer "$1"; }

keys() { on_tmux send-keys "$@"; }
type_text() { on_tmux send-keys -l -- "$1"; }

# pick TEXT: Enter on the first line of a box's list that has it. The cursor is on the
# chosen line, in whiptail's lists as in dialog's.
pick() {
  local line at key=Down
  screen_has "$1"
  # Only a box that is drawn has its cursor in the list.
  while terminal_stirs 0.15; do :; done
  line=$(($(screen | grep -nF -m 1 -- "$1" | cut -d : -f 1) - 1))
  at=$(on_tmux display-message -p '#{cursor_y}')
  ((line >= at)) || key=Up
  ((line == at)) || keys -N $((line > at ? line - at : at - line)) "$key"
  keys Enter
}

# choose TEXT: in a plain list, the number before it.
choose() {
  local number
  screen_has "$1"
  number=$(screen | grep -F -- "$1" | tail -n 1 | grep -oE '^ *[0-9]+')
  type_text "${number// /}"
  keys Enter
}

golden() {
  local file=$SUITE_TESTS/goldens/$1.txt
  if [[ ${HVLAUNCH_ACCEPT:-} == 1 ]]; then
    while terminal_stirs 0.5; do :; done
    mkdir -p "${file%/*}"
    screen >"$file"
    return
  fi
  screen_is_so cmp -s - "$file" || {
    diff -u "$file" <(screen) >&2
    return 1
  }
}

terminal_ends() {
  local until=$((SECONDS + SCREEN_SECONDS))
  until [[ -e $BATS_TEST_TMPDIR/status ]]; do
    ((SECONDS < until)) || {
      screen >&2
      return 1
    }
    terminal_stirs 0.2 || true
  done
  ended=$(<"$BATS_TEST_TMPDIR/status")
}

close_terminal() {
  [[ -z ${terminal_name:-} ]] || on_tmux kill-server 2>/dev/null || true
}
