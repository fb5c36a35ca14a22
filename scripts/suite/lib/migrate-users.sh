# shellcheck shell=bash disable=SC2154 # of common.sh
# SPDX-License-Identifier: MIT
#
# The people of this host, as a NixOS module; needs common.sh and nix-values.sh.
#
#   migrate_users             # writes users-local.nix and the hashes, unless it is there
#
# A module is copied to /nix/store, which everybody may read: it names the file that holds
# a password's hash, and does not hold it.

secrets=$state_directory/secrets

# Fills `people` (names in order) and, by name, `uid_of`, `gid_of`, `gecos_of`, `home_of`,
# `shell_of`, `hash_of`, `groups_of`; and `gid_of_group`, `group_of_gid`.
declare -A uid_of gid_of gecos_of home_of shell_of hash_of groups_of gid_of_group group_of_gid
people=()

# What useradd would make, and the capitals and dots that directories hand out.
usable_name() { [[ $1 =~ ^[A-Za-z_][A-Za-z0-9_.-]{0,30}$ ]]; }

read_groups() {
  local name gid members member
  [[ -r $host/etc/group ]] || return 0
  while IFS=: read -r name _ gid members || [[ $name ]]; do
    if ! usable_name "$name" || [[ ! $gid =~ ^[0-9]{1,9}$ ]]; then continue; fi
    gid_of_group[$name]=$gid
    group_of_gid[$gid]=${group_of_gid[$gid]:-$name}
    while IFS= read -r -d , member; do
      [[ -z $member ]] || groups_of[$member]+=" $name"
    done <<<"$members,"
  done <"$host/etc/group"
}

# Nix' build users have numbers of people, and are made by NixOS itself.
is_person() {
  local name=$1 uid=$2 gid=$3
  [[ $uid =~ ^[0-9]{1,10}$ ]] && ((10#$uid >= 1000 && 10#$uid < 65534)) &&
    [[ ! $name =~ ^nixbld[0-9]*$ && ${group_of_gid[$gid]:-} != nixbld ]]
}

read_people() {
  local name password uid gid gecos home shell owner=()
  [[ -r $host/etc/passwd ]] || die "$exit_data" "'$host/etc/passwd' cannot be read" "without it nobody could be carried over; restore it first"
  while IFS=: read -r name password uid gid gecos home shell || [[ $name ]]; do
    is_person "$name" "$uid" "$gid" || continue
    if ! usable_name "$name"; then
      warn "the user ${name@Q} has a name that NixOS cannot have, leaving it out"
      continue
    elif [[ ${owner[10#$uid]:-} || ${uid_of[$name]:-} ]]; then
      warn "the user '$name' has another's name or number ($uid), leaving it out"
      continue
    fi
    owner[10#$uid]=$name
    people+=("$name")
    uid_of[$name]=$((10#$uid)) gid_of[$name]=$gid gecos_of[$name]=$gecos home_of[$name]=$home
    shell_of[$name]=$shell hash_of[$name]=$password
  done <"$host/etc/passwd"
}

# Locked accounts stay locked, and an empty password is none.
read_hashes() {
  local name hash shadow=$host/etc/shadow
  if [[ -r $shadow ]]; then
    while IFS=: read -r name hash _ || [[ $name ]]; do
      usable_name "$name" || continue
      [[ ${hash_of[$name]:-} != x ]] || hash_of[$name]=$hash
    done <"$shadow"
  elif ((${#people[@]})); then
    warn "'$shadow' cannot be read: users are carried over without their passwords"
  fi
  for name in "${people[@]}"; do
    case ${hash_of[$name]} in '' | x | \!* | \**) hash_of[$name]='' ;; esac
    [[ ${hash_of[$name]} || ! -r $shadow ]] || warn "the user '$name' has no password to carry over; give one: passwd $name"
  done
}

# Who might administer the host before may do so after.
extra_groups() {
  local name=$1 group result=(kvm hvlaunch video) seen=' kvm hvlaunch video '
  # shellcheck disable=SC2086 # names without spaces
  for group in ${groups_of[$name]:-}; do
    case $group in
    sudo | admin) group=wheel ;;
    libvirt | libvirtd | nixbld | root) continue ;;
    esac
    [[ $seen == *" $group "* ]] || result+=("$group")
    seen+="$group "
  done
  printf '%s\n' "${result[@]}"
}

# A shell of the store that is being left is named by its package; what the new system
# does not have would lock its user out.
shell_setting() {
  local name=$1 shell=${2##*/}
  case $shell in
  '' | bash | sh) ;;
  zsh | fish)
    printf '    shell = pkgs.%s;\n' "$shell"
    ;;
  nologin | false) printf '    shell = %s;\n' "$(nix_string /run/current-system/sw/bin/nologin)" ;;
  *) warn "the user '$name' has ${2@Q} as shell, which this system will not have; it is given bash" ;;
  esac
}

# key_setting NAME: the keys that /etc lets in; those of a home stay in it.
key_setting() {
  local line keys=() file=$host/etc/ssh/authorized_keys.d/$1
  [[ -r $file ]] || return 0
  while IFS= read -r line || [[ $line ]]; do
    [[ -z $line || $line == \#* ]] || keys+=("$line")
  done <"$file"
  ((${#keys[@]})) || return 0
  printf 'openssh.authorizedKeys.keys = %s;\n' "$(nix_list "${keys[@]}")"
}

user_module() {
  local name=$1 group groups keys
  keys=$(key_setting "$name")
  group=${group_of_gid[${gid_of[$name]}]:-users}
  mapfile -t groups < <(extra_groups "$name")
  printf '  users.users.%s = {\n    isNormalUser = true;\n' "$(nix_string "$name")"
  printf '    uid = %s;\n    group = %s;\n' "${uid_of[$name]}" "$(nix_string "$group")"
  printf '    description = %s;\n' "$(nix_string "${gecos_of[$name]}")"
  printf '    home = %s;\n' "$(nix_string "${home_of[$name]}")"
  shell_setting "$name" "${shell_of[$name]}"
  printf '    extraGroups = %s;\n' "$(nix_list "${groups[@]}")"
  [[ -z ${hash_of[$name]} ]] || printf '    hashedPasswordFile = %s;\n' "$(nix_string "/var/lib/hypervisor/secrets/password-$name")"
  [[ -z $keys ]] || printf '    %s\n' "$keys"
  printf '  };\n'
}

# The groups that are this host's own; NixOS numbers the others itself.
group_modules() {
  local name group gid seen=()
  for name in "${people[@]}"; do
    # shellcheck disable=SC2086 # names without spaces
    for group in ${group_of_gid[${gid_of[$name]}]:-} ${groups_of[$name]:-}; do
      gid=$((10#${gid_of_group[$group]}))
      if ((gid < 1000 || gid >= 65534)) || [[ ${seen[gid]:-} ]]; then continue; fi
      seen[gid]=$group
      printf '  users.groups.%s.gid = %s;\n' "$(nix_string "$group")" "$gid"
    done
  done
}

users_module() {
  local name keys
  printf '# The users of this host, found when hvlaunch was installed. Yours to change: it is\n'
  printf '# not written again while it is here.\n{ pkgs, ... }:\n{\n'
  for name in "${people[@]}"; do user_module "$name"; done
  keys=$(key_setting root)
  [[ -z $keys ]] || printf '  users.users.root.%s\n' "$keys"
  group_modules
  for name in zsh fish; do
    [[ " ${shell_of[*]} " != *"/$name "* ]] || printf '  programs.%s.enable = true;\n' "$name"
  done
  printf '}\n'
}

write_hashes() {
  local name
  make_folder "$secrets" || return
  change chmod 0700 "$secrets" || return
  for name in "${people[@]}"; do
    [[ -n ${hash_of[$name]} ]] || continue
    printf '%s\n' "${hash_of[$name]}" | put_file "$secrets/password-$name" 0600 secret || return
  done
}

migrate_users() {
  local target=$settings/configuration/users-local.nix name text administrators=0
  if [[ -e $target ]]; then
    say "$target is there already: users stay as it says"
    return
  fi
  read_groups
  read_people
  read_hashes
  for name in "${people[@]}"; do
    [[ " ${groups_of[$name]:-} " =~ \ (wheel|sudo|admin)\  ]] && administrators=$((administrators + 1))
  done
  say "users carried over: ${people[*]:-none}"
  ((administrators)) || warn "none of the users is an administrator; only root will be one"
  # The hashes first: a module that names a missing file would lock its user out.
  write_hashes
  text=$(users_module)
  put_file "$target" 0600 <<<"$text"
}
