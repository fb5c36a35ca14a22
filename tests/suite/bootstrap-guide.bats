#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2016 # hashes, not bash
# The bootstrap's questions, asked on a real terminal of 80x24.

load lib/root
load lib/terminal

setup() {
  new_root
  source_with_scripts
  root_user ada 1000 '$6$salt$hash' 'Ada' wheel
  mkdir -p "$HV_ROOT/sys/firmware/efi"
  reply nixos-rebuild 0
  reply nixos-generate-config 0 '' '{ }'
  before=$(tree_of)
}

# A repository of few files with the real scripts in it.
source_with_scripts() {
  fake_source "$BATS_TEST_TMPDIR/source"
  rm -r "$FAKE_SOURCE/.git"
  ln -s "$SOURCE_ROOT/scripts/suite" "$FAKE_SOURCE/scripts/suite"
  cp "$SOURCE_ROOT"/scripts/bootstrap_nixos.sh "$FAKE_SOURCE/scripts"
}

teardown() { terminal_close; }

guide() {
  terminal_open env HV_ROOT="$HV_ROOT" "$FAKE_SOURCE/scripts/bootstrap_nixos.sh"
  terminal_awaits 'Install hvlaunch on this host'
}

# page: quick-install#guided
@test "started without flags it offers a dry run, a test and a switch" {
  guide
  for text in 'Show what would be written' 'try it until the next boot' 'make it what boots' "Host 'testhost'"; do
    [[ $(terminal_screen) == *"$text"* ]]
  done
  terminal_keys Escape
  terminal_ended
  [[ $(tree_of) == "$before" && $(terminal_screen) == *'nothing was changed'* ]]
}

# page: quick-install#guided-dry-run
@test "the dry run shows what would be written, and comes back to the menu" {
  guide
  terminal_keys Enter
  terminal_awaits 'Dry run: nothing was changed (1 of'
  [[ $(terminal_screen) == *'would'* ]]
  terminal_keys Escape
  terminal_awaits 'Install hvlaunch on this host'
  [[ $(tree_of) == "$before" && $(calls nixos-rebuild) == '' ]]
}

# page: quick-install#guided-test
@test "test tests, and switches nothing" {
  guide
  terminal_keys Down Down Enter
  terminal_awaits 'Go on?'
  terminal_keys Enter
  terminal_awaits 'Download many things'
  terminal_keys Tab Enter
  terminal_ended
  [[ $(calls nixos-rebuild) == "'test' "* && $(calls nixos-rebuild) != *switch* && $(calls nixos-rebuild) != *http-connections* ]]
}

# page: quick-install#guided-switch
@test "switch tests first, and asks before replacing what is there" {
  root_file etc/hypervisor/src/older 0644 old
  guide
  terminal_keys Down Down Down Enter
  terminal_awaits 'is there already. A copy of it is kept'
  terminal_keys Enter
  terminal_awaits 'Download many things'
  terminal_keys Enter
  terminal_ended
  [[ $(calls nixos-rebuild | cut -d ' ' -f 1) == $'\'test\'\n\'switch\'' && $(calls nixos-rebuild) == *http-connections* ]]
  [[ $(cat "$HV_ROOT"/etc/hypervisor.backup-*/src/older) == old ]]
}

@test "a refusal comes back to the menu" {
  guide
  terminal_keys Down Down Enter
  terminal_awaits 'Go on?'
  terminal_keys Tab Enter
  terminal_awaits 'Install hvlaunch on this host'
  [[ $(tree_of) == "$before" ]]
}

@test "the host can be given another name, and one that is none is refused" {
  guide
  terminal_keys Down Down Down Down Enter
  terminal_awaits 'What is this host called?'
  terminal_keys C-u
  terminal_keys -l 'no name'
  terminal_keys Enter
  terminal_awaits "'no name' is not a host's name"
  terminal_keys Enter
  terminal_awaits 'Give this host another name'
  terminal_keys Down Down Down Down Enter
  terminal_awaits 'What is this host called?'
  terminal_keys C-u
  terminal_keys -l 'box'
  terminal_keys Enter
  terminal_awaits "Host 'box'"
}

@test "on a serial console, and with dialog, it asks the same" {
  TERMINAL_TYPE=dumb guide
  terminal_keys Escape
  terminal_ended
  terminal_close
  rm "$BATS_TEST_TMPDIR/ended"
  # whiptail is not there on a host that has dialog alone.
  terminal_open unshare --user --map-root-user --mount bash -c \
    'mkdir "$1"/{real,bin} && mount --bind /usr/bin "$1/real" && ln -s "$1"/real/* "$1/bin" && rm "$1/bin/whiptail" &&
      mount --bind "$1/bin" /usr/bin && shift && exec "$@"' bash "$BATS_TEST_TMPDIR" \
    env HV_ROOT="$HV_ROOT" "$FAKE_SOURCE/scripts/bootstrap_nixos.sh"
  terminal_awaits 'Show what would be written'
  terminal_keys Escape
  terminal_ended
}
