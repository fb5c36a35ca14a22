# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Tools that only record what they were called with; needs a root (root.bash).
#
#   stand_in nixos-rebuild systemctl      # every call of them is an error, but for:
#   reply nixos-rebuild 0 '^test '        # status and, if given, standard output
#   reply nixos-version 0 '' '24.05.1234'
#   reply_by nix '^flake update' 'touch "$root/etc/hypervisor/flake.lock"'   # commands
#   reply_really cp mv                    # the host's own, recorded
#   calls nixos-rebuild                   # what it was called with, a call a line
#   fail_call 7; kill_at_call 7; no_trouble
#
# What was said last of a tool is asked first.

stand_in_home() { printf '%s/.stand-in' "${HV_ROOT:?new_root comes first}"; }

stand_in() {
  local tool home
  home=$(stand_in_home)
  mkdir -p "$home"/{rules,replies} "$HV_ROOT/run/current-system/sw/bin"
  for tool in "$@"; do
    ln -sfn "$SUITE_TESTS/stand-in" "$HV_ROOT/run/current-system/sw/bin/$tool"
  done
}

put_rule() {
  local tool=$1 home others=''
  home=$(stand_in_home)
  [[ -e $HV_ROOT/run/current-system/sw/bin/$tool ]] || stand_in "$tool"
  [[ ! -e $home/rules/$tool ]] || others=$(<"$home/rules/$tool")
  printf '%s\n' "$2" ${others:+"$others"} >"$home/rules/$tool"
}

# reply TOOL STATUS [REGEX [TEXT]]
reply() {
  local file=-
  if (($# > 3)); then
    file=$(new_reply "$4")
  fi
  put_rule "$1" "$2 $file ${3:-}"
}

# reply_by TOOL REGEX COMMANDS: run with the tool's arguments; `root` is the root, a plain
# end is status 0.
reply_by() {
  put_rule "$1" "script $(new_reply "$3") $2"
}

reply_really() {
  local tool
  for tool in "$@"; do put_rule "$tool" "real - "; done
}

new_reply() {
  local file
  file=$(mktemp "$(stand_in_home)/replies/XXXXXX")
  printf '%s\n' "$1" >"$file"
  printf '%s' "${file##*/}"
}

# calls [TOOL]: the arguments as bash would quote them, and before them the tool's name
# unless one is asked for.
calls() {
  local log
  log=$(stand_in_home)/log
  [[ -e $log ]] || return 0
  if (($#)); then
    sed -n "s/^$1\t//p" "$log"
  else
    tr '\t' ' ' <"$log"
  fi
}

number_of_calls() {
  local log
  log=$(stand_in_home)/log
  if [[ -e $log ]]; then wc -l <"$log"; else echo 0; fi
}

forget_calls() {
  local home
  home=$(stand_in_home)
  rm -f "$home"/{log,unexpected,trouble,trouble.taken}
}

make_trouble() {
  local home
  home=$(stand_in_home)
  rm -f "$home/trouble.taken"
  printf '%s\n' "$1" >"$home/trouble"
}

fail_call() { make_trouble "$1 fail"; }
# Run what it kills by `setsid -w`: the kill goes to the whole process group.
kill_at_call() { make_trouble "$1 kill"; }
no_trouble() { rm -f "$(stand_in_home)"/trouble{,.taken}; }

# Fails the test if some call was not foreseen.
no_unexpected_calls() {
  local file
  file=$(stand_in_home)/unexpected
  [[ ! -e $file ]] || { cat "$file" >&2 && return 1; }
}
