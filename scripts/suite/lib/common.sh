# shellcheck shell=bash disable=SC2034,SC2174 # used by those that read it; parents keep 0700
# SPDX-License-Identifier: MIT
#
# What every script of the suite begins with:
#
#   #!/usr/bin/env bash
#   set -Eeuo pipefail
#   source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib/common.sh"
#
# A clean environment, messages, a log, and changes of the host that are announced,
# backed up and atomic. HV_ROOT, empty on a host, is the folder that stands for `/`: a
# system being installed, or a test's. $host/etc/... is thus every path's form.

umask 077
host=${HV_ROOT:-}
PATH=$host/run/wrappers/bin:$host/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C.UTF-8
unset -v BASH_ENV ENV CDPATH GLOBIGNORE LD_PRELOAD LD_LIBRARY_PATH PYTHONPATH PERL5LIB
unset -f command builtin unset 2>/dev/null || true
IFS=$' \t\n'
shopt -s inherit_errexit # a command that fails inside $(...) ends the script, too

dry_run=${dry_run:-} # set by --dry-run
program=${0##*/}
log_directory=$host/var/log/hypervisor # `log_to NAME` opens NAME.log in it
state_directory=$host/var/lib/hypervisor
settings=$host/etc/hypervisor # config.json, vm-profiles/, src/, configuration/

# Exit codes, the same in every script (sysexits where they fit).
readonly exit_usage=64 exit_data=65 exit_unavailable=69 exit_no_permission=77

# at_exit COMMAND: run when the script ends, however it ends, the last one first;
# `exit_status` is what it ends with.
exit_actions=()
at_exit() {
  exit_actions=("$1" "${exit_actions[@]}")
  trap run_exit_actions EXIT
}
run_exit_actions() {
  exit_status=$?
  local action
  for action in "${exit_actions[@]}"; do eval "$action" || true; done
  exit "$exit_status"
}

say() { printf '%s\n' "$*"; }
warn() { printf '%s: %s\n' "$program" "$*" >&2; }

# die CODE MESSAGE [CURE]: lower case, the cause first, the cure on its own line.
die() {
  warn "$2"
  [[ -z ${3:-} ]] || printf '  %s\n' "$3" >&2
  exit "$1"
}

require_root() {
  ((EUID == 0)) || die $exit_no_permission "only root may do this" "run: sudo $program $*"
}

# require_commands jq nixos-rebuild: all that is missing is named at once.
require_commands() {
  local name missing=()
  for name in "$@"; do
    command -v "$name" >/dev/null || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || die $exit_unavailable "not installed here: ${missing[*]}"
}

# log_to NAME: from here on all that is printed also goes to the log, with the time of
# its beginning. A log that cannot be written costs the log, never the work.
log_to() {
  local log=$log_directory/$1.log
  [[ -z $dry_run ]] || return 0
  if ! mkdir -p -m 0750 "$log_directory" 2>/dev/null || ! printf '== %(%FT%T%z)T %s\n' -1 "$program" 2>/dev/null >>"$log"; then
    warn "'$log' cannot be written; this run leaves no log"
    return 0
  fi
  # An interrupt is for the script, whose last words are to be kept.
  exec > >(trap '' HUP INT TERM && exec tee -a -- "$log") 2>&1
  at_exit 'exec >&- 2>&-; wait' # tee has then written everything
}

# change COMMAND...: what alters the host; with --dry-run it is only shown.
change() {
  if [[ -n $dry_run ]]; then
    printf 'would run: %s\n' "${*@Q}"
  else
    "$@"
  fi
}

# put_file PATH MODE [secret]: standard input becomes the file, whole or not at all; what
# was there before stays beside it as PATH.~N~. A draft that a crash left, PATH.new, is
# used up by the next run. With --dry-run the content is shown, unless secret.
#   text=$(make_text) && put_file PATH 0644 <<<"$text"
# and not `make_text | put_file ...`, which would keep what make_text had before it failed.
put_file() {
  local path=$1 mode=$2 draft=$1.new
  if [[ -n $dry_run ]]; then
    show_file "$@"
    return
  fi
  make_folder "${path%/*}" || return
  if cat >"$draft" && chmod "$mode" "$draft" && sync "$draft" && keep_file "$path" "$draft" && mv -f "$draft" "$path"; then
    return
  fi
  rm -f "$draft" || true
  return 1
}

show_file() {
  if [[ ${3:-} == secret ]]; then
    printf 'would write %s (mode %s), whose content is not shown\n' "$1" "$2"
    cat >/dev/null
  else
    printf 'would write %s (mode %s):\n' "$1" "$2"
    sed 's/^/  | /'
  fi
}

# keep_file PATH OTHER: a second name for PATH's content, if that differs: another takes
# its first name next. Nothing is copied, so nothing can be copied in part.
keep_file() {
  local number=1
  [[ -e $1 ]] && ! cmp -s "$1" "$2" || return 0
  while [[ -e $1.~$number~ ]]; do number=$((number + 1)); done
  ln -P "$1" "$1.~$number~"
}

# make_folder PATH [MODE]: with its parents, all of them open to readers.
make_folder() {
  [[ ! -d $1 ]] || return 0
  if [[ -n $dry_run ]]; then
    printf 'would make %s\n' "$1"
  else
    (umask 022 && mkdir -p "$1") && { [[ -z ${2:-} ]] || chmod "$2" "$1"; }
  fi
}

# keep_copy DIRECTORY: a copy beside it, whole or not at all, named by the time; prints
# its path. A copy that is there already and has not come to differ is enough.
keep_copy() {
  local copy stem number last=''
  for copy in "$1".backup-*; do
    [[ ! -d $copy || $copy == *.part ]] || last=$copy
  done
  if [[ $last ]] && diff -rq --no-dereference "$1" "$last" >/dev/null 2>&1; then
    say "$last"
    return
  fi
  stem=$1.backup-$(date +%Y%m%d-%H%M%S) || return
  copy=$stem number=1
  while [[ -e $copy ]]; do # One of this second, which the original has come to differ from.
    number=$((number + 1))
    copy=$stem.$number
  done
  if [[ -z $dry_run ]]; then
    rm -rf -- "$1".backup-*.part || return
    if ! cp -a -- "$1" "$copy.part" || ! mv -T -- "$copy.part" "$copy"; then
      rm -rf -- "$copy.part" || true
      return 1
    fi
  fi
  say "$copy"
}

# confirm QUESTION [yes]: the answer of whoever sits there; nobody there means no, or
# what the second argument says.
confirm() {
  local answer
  [[ -t 0 ]] || {
    [[ ${2:-} == yes ]]
    return
  }
  read -r -p "$1 [y/N] " answer
  [[ $answer == [yY]* ]]
}

# this_hostname: the short name of the host, as it has been set.
this_hostname() {
  local name=''
  [[ ! -r $host/etc/hostname ]] || read -r name <"$host/etc/hostname" || true
  [[ $name ]] || name=$HOSTNAME
  printf '%s' "${name%%.*}"
}

# online: whether the repositories' host answers, within five seconds.
online() {
  curl --silent --head --max-time 5 --output /dev/null https://github.com/
}

# hvlaunch's answers are read as JSON only; its messages go to whoever reads ours.
hvlaunch_json() {
  hvlaunch --json "$@"
}
