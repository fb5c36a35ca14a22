#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC1003,SC2016 # hashes and hostile names, not bash
# The people of a host, carried over: what Nix reads from the module is what was there.

load lib/root

setup() { new_root; }

# migrate: the module as the bootstrap writes it.
migrate() {
  bash -c 'set -Eeuo pipefail
    cd "$1/scripts/suite/lib"
    for name in common nix-values migrate-users; do source "./$name.sh"; done
    migrate_users' migrate "$SOURCE_ROOT"
}

# user NAME ATTRIBUTE, group NAME, module EXPRESSION-IN-m: as Nix has it, in JSON.
module() {
  nix-instantiate --eval --strict --json --store dummy:// \
    -E "let m = import $HV_ROOT/etc/hypervisor/configuration/users-local.nix { pkgs = { zsh = \"the zsh\"; fish = \"the fish\"; }; }; in $1" 2>"$BATS_TEST_TMPDIR/nix-said" ||
    { cat "$BATS_TEST_TMPDIR/nix-said" >&2 && return 1; }
}
user() { module "m.users.users.\"$1\".$2"; }
hash_of() { cat "$HV_ROOT/var/lib/hypervisor/secrets/password-$1"; }

# page: quick-install#users-detected
@test "users are those from 1000 to below nobody, without Nix' own" {
  root_user low 999 x ''
  root_user first 1000 x ''
  root_user last 65533 x ''
  root_user over 65535 x ''
  migrate
  [[ $(module 'builtins.attrNames m.users.users') == '["first","last"]' ]]
}

@test "keys that /etc lets in are let in again" {
  root_user ada 1000 x ''
  root_user bob 1001 x ''
  root_file etc/ssh/authorized_keys.d/ada 0644 '# laptop' 'ssh-ed25519 AAAA ada@"home"${x}' '' 'command="ls" ssh-rsa BBBB'
  root_file etc/ssh/authorized_keys.d/root 0644 'ssh-ed25519 CCCC'
  migrate
  [[ $(user ada openssh.authorizedKeys.keys) == '["ssh-ed25519 AAAA ada@\"home\"${x}","command=\"ls\" ssh-rsa BBBB"]' ]]
  [[ $(user root openssh.authorizedKeys.keys) == '["ssh-ed25519 CCCC"]' ]]
  [[ $(module '(m.users.users.bob ? openssh)') == false ]]
}

# page: quick-install#users-preserved
@test "number, home, groups, shell and description are as they were" {
  root_user ada 1000 x 'Ada Lovelace,Room 1,,' audio developers
  root_member developers ada
  sed -i 's,/home/ada:.*,/srv/people/ada:/run/current-system/sw/bin/zsh,' "$HV_ROOT/etc/passwd"
  sed -i 's/^developers:x:[0-9]*/developers:x:1500/' "$HV_ROOT/etc/group"
  migrate
  [[ $(user ada uid) == 1000 && $(user ada isNormalUser) == true && $(user ada home) == '"/srv/people/ada"' ]]
  [[ $(user ada description) == '"Ada Lovelace,Room 1,,"' && $(user ada shell) == '"the zsh"' && $(module m.programs.zsh.enable) == true ]]
  [[ $(user ada extraGroups) == '["kvm","hvlaunch","video","audio","developers"]' ]]
  [[ $(module 'm.users.groups.developers.gid') == 1500 && $(user ada group) == '"users"' ]]
}

# page: quick-install#access-groups
@test "everybody may use virtual machines, and who administered before still may" {
  root_user ada 1000 x '' wheel libvirtd
  root_user bob 1001 x '' sudo
  root_user eve 1002 x '' audio
  migrate
  [[ $(user ada extraGroups) == '["kvm","hvlaunch","video","wheel"]' ]]
  [[ $(user bob extraGroups) == '["kvm","hvlaunch","video","wheel"]' ]]
  [[ $(user eve extraGroups) == '["kvm","hvlaunch","video","audio"]' ]]
}

# page: quick-install#hashes-preserved
@test "password hashes are carried over byte by byte, in files that are root's alone" {
  root_user ada 1000 '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7' ''
  root_user bob 1001 '$6$rounds=5000$a/b.c$d' ''
  migrate
  [[ $(hash_of ada) == '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7' ]]
  [[ $(hash_of bob) == '$6$rounds=5000$a/b.c$d' ]]
  [[ $(user ada hashedPasswordFile) == '"/var/lib/hypervisor/secrets/password-ada"' ]]
  [[ $(stat -c %a "$HV_ROOT"/var/lib/hypervisor/secrets/password-*) == $'600\n600' ]]
  # A module ends up in the store, where everybody reads.
  [[ $(<"$HV_ROOT/etc/hypervisor/configuration/users-local.nix") != *j9T* ]]
}

@test "locked accounts stay locked, and an empty password is none" {
  local number=1000 hash
  for hash in '!' '*' '!!' '!$6$locked$hash' '' x; do
    root_user "user$number" "$number" "$hash" ''
    number=$((number + 1))
  done
  run migrate
  [[ $status == 0 && $(grep -c 'has no password to carry over' <<<"$output") == 6 ]]
  [[ $(module 'builtins.filter (u: u ? hashedPasswordFile) (builtins.attrValues m.users.users)') == '[]' ]]
  [[ -z $(ls "$HV_ROOT/var/lib/hypervisor/secrets") ]]
}

@test "any description is read by Nix as it was" {
  local gecos number=1000
  local -a all=('"quotes" and "more"' 'back\slash\' '${builtins.abort "x"}' '$${x}' '$' "''two'' ''\${x}" $'tab\there'
    $'return\r' 'Ünïcödé ✓' '*' '`id`' '$(touch /tmp/x)' '\n' '\${' '# no comment' '/* nor this' "'" ';} in' '  spaces  ' '')
  for gecos in "${all[@]}"; do
    root_user "u$number" "$number" x "$gecos" wheel
    number=$((number + 1))
  done
  migrate
  module 'm.users.users' >"$BATS_TEST_TMPDIR/users.json"
  number=1000
  for gecos in "${all[@]}"; do
    diff <(printf '%s\n' "$gecos") <(jq -r ".u$number.description" "$BATS_TEST_TMPDIR/users.json")
    number=$((number + 1))
  done
}

@test "any value is a Nix string, lines and all" {
  local -a all=($'two\nlines' $'\n' '${' '$${' '\' '\\' '"' "''" $'\r\t' '$$$' '\"${x}\n')
  local text nix
  for text in "${all[@]}"; do
    nix=$(bash -c 'source "$1"; nix_string "$2"' quote "$SOURCE_ROOT/scripts/suite/lib/nix-values.sh" "$text")
    [[ $(nix-instantiate --eval --json --store dummy:// -E "$nix" 2>/dev/null) == "$(jq -cn --arg t "$text" '$t')" ]]
  done
}

@test "homes with anything in them are read by Nix as they were" {
  root_user ada 1000 x ''
  sed -i 's,/home/ada:.*,/home/a ${b} "c" \\d:/run/current-system/sw/bin/bash,' "$HV_ROOT/etc/passwd"
  migrate
  [[ $(user ada home | jq -r .) == '/home/a ${b} "c" \d' ]]
}

@test "names that NixOS cannot have are named and left out, and run nothing" {
  local name
  for name in 'a b' '${x}' '$(touch hit)' 'a]$(touch hit)' '../etc' '-rf' 'DOMAIN\ada' 'a"b' 'üser' "$(printf 'a%.0s' {1..40})"; do
    root_user "$name" 1100 '$6$a$b' "" wheel
  done
  printf 'x[$(touch hit)]:$6$a$b:1::::::\n:$6$a$b:1::::::\n' >>"$HV_ROOT/etc/shadow"
  root_user ada 1000 '$6$a$b' ''
  cd "$BATS_TEST_TMPDIR"
  run migrate
  [[ $status == 0 && $(grep -c 'a name that NixOS cannot have' <<<"$output") == 10 ]]
  [[ $(module 'builtins.attrNames m.users.users') == '["ada"]' ]]
  [[ $(find "$BATS_TEST_TMPDIR" "$SOURCE_ROOT/scripts" -name hit) == '' && $(ls "$HV_ROOT/var/lib/hypervisor/secrets") == password-ada ]]
}

@test "of two users with one number the second is left out" {
  root_user ada 1000 x ''
  root_user bob 1000 x ''
  run migrate
  [[ $output == *"'bob' has another's name or number (1000), leaving it out"* ]]
  [[ $(module 'builtins.attrNames m.users.users') == '["ada"]' ]]
}

@test "a group of one's own keeps its number" {
  root_user ada 1000 x ''
  sed -i 's/^ada:x:1000:100:/ada:x:1000:1000:/' "$HV_ROOT/etc/passwd"
  echo 'ada:x:1000:' >>"$HV_ROOT/etc/group"
  migrate
  [[ $(user ada group) == '"ada"' && $(module m.users.groups.ada.gid) == 1000 ]]
}

@test "a shell that the new system lacks becomes bash, and is named" {
  root_user ada 1000 x ''
  sed -i 's,\(ada:.*:\)[^:]*bash$,\1/opt/odd shell,' "$HV_ROOT/etc/passwd"
  run migrate
  [[ $output == *"'/opt/odd shell' as shell"* && $(user ada '"shell" or "none"') == '"none"' ]]
}

@test "a host without users gets a module without users" {
  run migrate
  [[ $status == 0 && $output == *'users carried over: none'* && $output == *'only root will be one'* ]]
  [[ $(module 'm.users or { }') == '{}' ]]
}

@test "without shadow the users come without passwords, and that is said" {
  root_user ada 1000 x ''
  rm "$HV_ROOT/etc/shadow"
  run migrate
  [[ $status == 0 && $output == *"shadow' cannot be read: users are carried over without their passwords"* ]]
  [[ $(user ada uid) == 1000 ]]
}

@test "without passwd nothing is written" {
  rm "$HV_ROOT/etc/passwd"
  run migrate
  [[ $status == 65 && $output == *"passwd' cannot be read"* && ! -e $HV_ROOT/etc/hypervisor ]]
}

@test "a file without its last line's end, and lines that are none, are read as far as they go" {
  root_user ada 1000 '$6$a$b' ''
  printf 'garbage\n:::::\nx:x:abc:1:::\nbob:x:1001:100::/home/bob:/bin/bash' >>"$HV_ROOT/etc/passwd"
  printf 'bob:$6$c$d:1::::::' >>"$HV_ROOT/etc/shadow"
  printf 'audio:x:500:bob' >>"$HV_ROOT/etc/group"
  migrate
  [[ $(module 'builtins.attrNames m.users.users') == '["ada","bob"]' && $(hash_of bob) == '$6$c$d' ]]
  [[ $(user bob extraGroups) == *audio* ]]
}
