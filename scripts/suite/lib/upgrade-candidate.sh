# shellcheck shell=bash disable=SC2034,SC2154 # used by those that read it, and set by common.sh
# SPDX-License-Identifier: MIT
#
# The candidate: copies of the flakes that this host is built from, with newer inputs. They
# are tested, and they are what the upgrade switches to, so nothing of the host's own files
# changes before that has succeeded. Their identity says what a verdict is about.

# copy_flake FROM TO: without git's own files.
copy_flake() {
  local draft=$work/draft
  rm -rf -- "$draft" && mkdir "$draft" && cp -a -- "$1/." "$draft" &&
    rm -rf -- "$draft/.git" "$2" && mv -T -- "$draft" "$2"
}

# place_candidate: where the copies are, and how Nix is told of the second.
place_candidate() {
  candidate=$work/flake candidate_pin=$work/flake candidate_options=()
  [[ $pin_directory != "$flake_directory" ]] || return 0
  candidate_pin=$work/hypervisor
  candidate_options=(--override-input hypervisor "path:$candidate_pin")
}

copy_configuration() {
  copy_flake "$flake_directory" "$candidate" || return 1
  [[ $candidate_pin == "$candidate" ]] || copy_flake "$pin_directory" "$candidate_pin"
}

# digest FOLDER: every file that a rebuild may read but flake.lock, by its name in there.
# Virtual machines and the menu's settings are read when they are used, not by a rebuild.
digest() {
  (
    cd "$1" || exit 1
    skipped=(-name .git -o -path ./flake.lock -o -path ./vm-profiles -o -path ./config.json -o -name '*.~*~' -o -name '.*.draft' -o -name result -o -name 'result-*')
    find . \( "${skipped[@]}" \) -prune -o -type f -print0 | sort -z | xargs -0r sha256sum -z -- || exit 1
    find . \( "${skipped[@]}" \) -prune -o -type l -printf '%P -> %l\0' | sort -z
  )
}

# other_inputs LOCK: what it locks beside the suite's flake.
other_inputs() {
  [[ ! -e $1 ]] || jq -cS '.nodes as $nodes | .nodes[.root].inputs | to_entries[] | select(.key != "hypervisor") |
    [.key, (.value | if type == "string" then $nodes[.].locked else . end)]' "$1"
}

# lock_digest FILE
lock_digest() {
  local sum
  [[ -e $1 ]] || { say none && return; }
  sum=$(sha256sum <"$1") && say "sha256:${sum%% *}"
}

# identity_of FLAKE PIN LOCK: of the two flakes with that lock, for this host.
identity_of() {
  local sum
  sum=$(
    set -Eeuo pipefail
    {
      # Not left to errexit, which is off behind the `&&` below.
      say "host $flake_host"
      lock_digest "$3" || exit 1
      digest "$1" || exit 1
      if [[ $2 != "$1" ]]; then
        other_inputs "$1/flake.lock" || exit 1
        digest "$2" || exit 1
      elif [[ -d $settings/configuration && $1 != "$settings" ]]; then
        digest "$settings/configuration" || exit 1
      fi
    } | sha256sum
  ) && say "sha256:${sum%% *}"
}

identity_of_candidate() { identity_of "$candidate" "$candidate_pin" "$candidate_pin/flake.lock"; }
identity_of_host() { identity_of "$flake_directory" "$pin_directory" "$candidate_pin/flake.lock"; }

# candidate_facts: sets candidate_release and state_version, which Nix works out without
# building anything; what it has to say goes to the file.
candidate_facts() {
  local facts
  facts=$(nix eval --json "path:$candidate#nixosConfigurations.\"$flake_host\".config.system" \
    ${candidate_options[@]+"${candidate_options[@]}"} --apply 'system: { inherit (system.nixos) release; inherit (system) stateVersion; }' 2>"$1") || return 1
  candidate_release=$(jq -er .release <<<"$facts") && state_version=$(jq -er .stateVersion <<<"$facts")
}

# compare_inputs PRESENT TESTED: two lock files; sets their dates where they can be compared.
compare_inputs() {
  local branch
  present_date=0 tested_date=0
  if [[ -e $1 ]]; then
    input_of "$1"
    branch=$input_branch present_date=${locked_date:-0}
  fi
  input_of "$2"
  # Another branch has another line of time, and its release says which is newer.
  if [[ ${branch-$input_branch} == "$input_branch" ]]; then tested_date=${locked_date:-0}; else present_date=0; fi
}

# downgrade_of RELEASE STATE_VERSION: a sentence if the candidate is older than what is in use.
downgrade_of() {
  local release=$1 state=$2 running
  running=$(release_of "$(running_version)")
  if is_older "$release" "$running"; then
    say "refusing to downgrade: this would be NixOS $release, and $running runs"
  elif is_older "$release" "$(release_of "$(boot_version)")"; then
    say "refusing to downgrade: this would be NixOS $release, and $(boot_version) boots"
  elif is_older "$release" "$state"; then
    say "refusing to downgrade: this would be NixOS $release, and system.stateVersion is $state"
  elif ((${tested_date:-0} < ${present_date:-0})); then
    say "refusing to downgrade: the nixpkgs of this is older than the one in use, of the same branch"
  fi
}
