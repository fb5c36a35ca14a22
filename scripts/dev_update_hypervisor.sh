#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
set -Eeuo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
# shellcheck source=scripts/suite/lib/common.sh
source "$here/suite/lib/common.sh"

usage() {
  cat <<HELP
usage: dev_update_hypervisor.sh [OPTION...]

Brings a git checkout of hvlaunch up to its branch's newest commit. What will change is
shown first. Only a clean tree is moved, and only forward: nobody's own work is touched.

  --source PATH  the checkout (default: the one this script is in)
  --yes          do not ask before changing files
  --dry-run      only say whether there is something newer
  --help         this text

exit status: 0 up to date (now), 1 declined, 64 wrong usage, 65 the checkout has work of
its own, 69 no git, no checkout or no network
HELP
}

parse() {
  source_path=${here%/scripts} assume_yes=''
  while (($#)); do
    case $1 in
    --source)
      (($# > 1)) || die "$exit_usage" "--source needs a folder" "see dev_update_hypervisor.sh --help"
      source_path=$2
      shift
      ;;
    --yes) assume_yes=yes ;;
    --dry-run) dry_run=yes ;;
    --help) usage && exit ;;
    *) die "$exit_usage" "no option '$1'" "see dev_update_hypervisor.sh --help" ;;
    esac
    shift
  done
}

# As the checkout's owner, with what they have set: root's git refuses others' checkouts,
# for their hooks would run as root.
git_here() {
  local as_owner=()
  ((EUID != 0 || owner == 0)) || as_owner=(setpriv --reuid "$owner" --regid "$group" --clear-groups -- env HOME="$(home_of "$owner")")
  GIT_TERMINAL_PROMPT=0 "${as_owner[@]}" git -C "$source_path" "$@"
}

home_of() {
  local uid home
  while IFS=: read -r _ _ uid _ _ home _; do
    [[ $uid != "$1" ]] || { printf '%s' "$home" && return; }
  done <"$host/etc/passwd"
  printf '/nonexistent'
}

check_tree() {
  local changes
  [[ -e $source_path/.git ]] ||
    die "$exit_unavailable" "'$source_path' is no git checkout, so it cannot be updated" \
      "clone the repository, and run its scripts/bootstrap_nixos.sh --force"
  owner=$(stat -c %u "$source_path") group=$(stat -c %g "$source_path")
  changes=$(git_here status --porcelain)
  if [[ $changes ]]; then
    printf '%s\n' "$changes" >&2
    die "$exit_data" "'$source_path' has changes that are in no commit" \
      "commit them, or set them aside: git stash --include-untracked"
  fi
  branch=$(git_here symbolic-ref --quiet --short HEAD) ||
    die "$exit_data" "'$source_path' is at no branch" "choose one: git switch main"
  upstream=$(git_here rev-parse --abbrev-ref --symbolic-full-name '@{upstream}' 2>/dev/null) ||
    die "$exit_data" "the branch '$branch' follows none elsewhere" \
      "say which: git branch --set-upstream-to=origin/$branch"
}

only_look() {
  local remote_head
  remote_head=$(git_here ls-remote "${upstream%%/*}" "refs/heads/${upstream#*/}") || no_network
  if [[ ${remote_head%%[[:space:]]*} == "$(git_here rev-parse HEAD)" ]]; then
    say "'$source_path' is up to date"
  else
    say "'$upstream' has changed; without --dry-run this would show how, and fetch it"
  fi
}

no_network() {
  die "$exit_unavailable" "'${upstream%%/*}' cannot be reached" \
    "check the network, or go on without: bootstrap_nixos.sh --skip-update-check"
}

fast_forward() {
  local old new
  git_here fetch --quiet "${upstream%%/*}" || no_network
  old=$(git_here rev-parse HEAD) new=$(git_here rev-parse '@{upstream}')
  if [[ $old == "$new" ]] || git_here merge-base --is-ancestor "$new" "$old"; then
    say "'$source_path' is up to date"
    return
  fi
  git_here merge-base --is-ancestor "$old" "$new" ||
    die "$exit_data" "'$branch' and '$upstream' have each gone their own way" \
      "put yours on top: git rebase $upstream"
  say "new on '$upstream':"
  git_here --no-pager log --no-decorate --oneline "$old..$new"
  git_here --no-pager diff --stat "$old" "$new"
  if [[ -z $assume_yes ]] && ! confirm "take these into '$source_path'?"; then
    say "left as it is"
    exit 1
  fi
  git_here merge --quiet --ff-only "$new"
  say "'$source_path' is now at ${new:0:12}"
}

main() {
  umask 022 # the files are the checkout's, not this host's
  parse "$@"
  require_commands git
  [[ -d $source_path ]] || die "$exit_unavailable" "there is no folder '$source_path'"
  source_path=$(readlink -f -- "$source_path")
  check_tree
  if [[ -n $dry_run ]]; then only_look; else fast_forward; fi
}

main "$@"
