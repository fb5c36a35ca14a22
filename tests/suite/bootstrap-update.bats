#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016,SC2030,SC2031 # hashes, not bash; bats' own variables
# Bringing the source up to date before it is installed, and dev_update_hypervisor.sh.

load lib/root
load lib/terminal

setup() {
  new_root
  fake_source "$BATS_TEST_TMPDIR/upstream"
  rm -rf "$FAKE_SOURCE"/{.git,build}
  ln -s "$SOURCE_ROOT/scripts/suite" "$FAKE_SOURCE/scripts/suite"
  cp "$SOURCE_ROOT"/scripts/{bootstrap_nixos,dev_update_hypervisor}.sh "$FAKE_SOURCE/scripts"
  export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
  upstream init --quiet --initial-branch=main
  commit first
  git clone --quiet "$BATS_TEST_TMPDIR/upstream" "$BATS_TEST_TMPDIR/checkout"
  checkout=$BATS_TEST_TMPDIR/checkout
  root_user ada 1000 '$6$salt$hash' 'Ada' wheel
  reply nixos-rebuild 0
  reply nixos-generate-config 0 '' '{ }'
}

teardown() { terminal_close; }

upstream() { git -C "$BATS_TEST_TMPDIR/upstream" "$@"; }
commit() {
  echo "$1" >"$BATS_TEST_TMPDIR/upstream/$1"
  upstream add -A
  upstream commit --quiet -m "Add $1"
}
update() { script dev_update_hypervisor.sh --source "$checkout" "$@"; }
at() { git -C "$checkout" rev-parse HEAD; }

at_terminal() {
  terminal_open env HV_ROOT="$HV_ROOT" "$checkout/scripts/bootstrap_nixos.sh" --hostname box "$@"
}

# page: quick-install#update-prompt
@test "with a network it asks, and yes brings the source up to date first" {
  reply curl 0
  commit second
  at_terminal
  terminal_awaits 'Check for updates on GitHub and download them before installing? [y/N]'
  terminal_keys y Enter
  terminal_ended
  [[ $(<"$HV_ROOT/etc/hypervisor/src/second") == second && $(at) == "$(upstream rev-parse HEAD)" ]]
  [[ $(terminal_screen) == *'Add second'* ]]
}

# page: quick-install#update-declined
@test "no goes on with the source as it is" {
  reply curl 0
  commit second
  at_terminal
  terminal_awaits '[y/N]'
  terminal_keys n Enter
  terminal_ended
  [[ ! -e $HV_ROOT/etc/hypervisor/src/second && -e $HV_ROOT/etc/hypervisor/src/first ]]
}

# page: quick-install#update-without-network
@test "without a network it does not ask" {
  reply curl 6
  at_terminal
  terminal_ended
  [[ $(terminal_screen) == *'no network: the source is not updated'* && -e $HV_ROOT/etc/hypervisor/src/first ]]
  [[ $(calls curl) == "'--silent' '--head' '--max-time' '5' "*"'https://github.com/'" ]]
}

# page: quick-install#flag-skip-update-check
@test "--skip-update-check neither asks nor looks for a network" {
  at_terminal --skip-update-check
  terminal_ended
  [[ $(calls curl) == '' && -e $HV_ROOT/etc/hypervisor/src/first ]]
}

@test "without a terminal it does not ask" {
  run script bootstrap_nixos.sh --source "$checkout"
  [[ $status == 0 && $output == *'nobody is there to ask'* && $(calls curl) == '' ]]
}

@test "an update that is refused is not gone past without asking" {
  reply curl 0
  echo mine >"$checkout/mine"
  at_terminal
  terminal_awaits '[y/N]'
  terminal_keys y Enter
  terminal_awaits 'Go on with the source as it is? [y/N]'
  terminal_keys n Enter
  run terminal_ended
  [[ $status == 1 && ! -e $HV_ROOT/etc/hypervisor && $(calls nixos-rebuild) == '' ]]
}

@test "the update shows what is new, and takes it" {
  commit second
  commit third
  run update --yes
  [[ $status == 0 && $output == *"new on 'origin/main'"*'Add third'*'Add second'*'2 files changed'* ]]
  [[ $(at) == "$(upstream rev-parse HEAD)" && -e $checkout/third ]]
  run update --yes
  [[ $status == 0 && $output == *'is up to date'* ]]
}

@test "without anybody to agree the update is shown, and not taken" {
  commit second
  old=$(at)
  run update
  [[ $status == 1 && $output == *'Add second'*'left as it is'* && $(at) == "$old" && ! -e $checkout/second ]]
}

@test "a dry run of the update says whether there is something new, and fetches nothing" {
  run update --dry-run
  [[ $status == 0 && $output == *'is up to date'* ]]
  commit second
  run update --dry-run
  [[ $status == 0 && $output == *"'origin/main' has changed"* && ! -e $checkout/.git/FETCH_HEAD ]]
}

# refused CODE CAUSE CURE: and the checkout stays as it is.
refused() {
  local before
  before=$(at && git -C "$checkout" status --porcelain)
  run update --yes
  [[ $status == "$1" && $output == *"$2"*"$3"* && $(at && git -C "$checkout" status --porcelain) == "$before" ]] || {
    echo "$status: $output" >&2
    return 1
  }
}

@test "a tree with changes is refused" {
  commit second
  echo mine >>"$checkout/first"
  refused 65 'has changes that are in no commit' 'git stash'
  git -C "$checkout" checkout --quiet first
  echo mine >"$checkout/untracked"
  refused 65 'untracked' 'git stash'
}

@test "a branch that has gone its own way is refused" {
  commit second
  git -C "$checkout" commit --quiet --allow-empty -m mine
  refused 65 'have each gone their own way' 'git rebase origin/main'
}

@test "a branch with commits of its own on top is up to date" {
  git -C "$checkout" commit --quiet --allow-empty -m mine
  run update --yes
  [[ $status == 0 && $output == *'is up to date'* ]]
}

@test "a checkout at no branch, or following none, is refused" {
  git -C "$checkout" checkout --quiet --detach
  refused 65 'is at no branch' 'git switch main'
  git -C "$checkout" checkout --quiet -b alone
  refused 65 'follows none elsewhere' 'git branch --set-upstream-to'
}

@test "a server that cannot be reached is named" {
  git -C "$checkout" remote set-url origin "$BATS_TEST_TMPDIR/gone"
  refused 69 "'origin' cannot be reached" '--skip-update-check'
}

@test "a copy without git is refused, with where to get one" {
  rm -rf "$checkout/.git"
  run update --yes
  [[ $status == 69 && $output == *'is no git checkout'*'clone the repository'* ]]
}

@test "git works as the checkout's owner, not as root" {
  ((EUID == 0)) || skip 'only root can give a folder away'
  chmod 0755 "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/upstream"
  chown -R 1234:1234 "$checkout"
  echo 'owner:x:1234:1234::/home/owner:/bin/sh' >>"$HV_ROOT/etc/passwd"
  reply_by setpriv '' 'printf "%s\n" "$*" >>"$root/as-owner"; shift 6; exec "$@"'
  reply_really git
  GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*' update --yes
  while read -r line; do [[ $line == '--reuid 1234 --regid 1234 --clear-groups -- env HOME=/home/owner git -C '* ]]; done <"$HV_ROOT/as-owner"
  [[ $(calls git | wc -l) == "$(wc -l <"$HV_ROOT/as-owner")" ]]
}
