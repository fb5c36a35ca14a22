# shellcheck shell=bash disable=SC2034,SC2154 # used by those that read it, and set by common.sh
# SPDX-License-Identifier: MIT
#
# The candidate: a copy of the host's configuration with newer inputs. It is tested, and it
# is what the upgrade switches to, so nothing of the host's own files changes before that
# has succeeded. Its identity says which configuration a verdict is about.

# copy_configuration: the host's flake becomes the candidate.
copy_configuration() {
  local draft=$work/draft
  rm -rf -- "$draft" && mkdir "$draft" &&
    cp -a -- "$flake_directory/." "$draft" && rm -rf -- "$draft/.git" "$candidate" && mv -T -- "$draft" "$candidate"
}

# digest FOLDER: every file that a rebuild may read but flake.lock, by its name in there.
digest() {
  (
    cd "$1" || exit 1
    skipped=(-name .git -o -path ./flake.lock -o -name result -o -name 'result-*')
    find . \( "${skipped[@]}" \) -prune -o -type f -print0 | sort -z | xargs -0r sha256sum -z --
    find . \( "${skipped[@]}" \) -prune -o -type l -printf '%P -> %l\0' | sort -z
  )
}

# lock_digest FILE
lock_digest() {
  local sum
  [[ -e $1 ]] || { say none && return; }
  sum=$(sha256sum <"$1") && say "sha256:${sum%% *}"
}

# identity_of FLAKE LOCK: of the flake with that lock, the suite's own part of the
# configuration, and the host it is for. Virtual machines may change without a new test.
identity_of() {
  local sum place
  sum=$(
    set -Eeuo pipefail
    {
      say "host $flake_host"
      lock_digest "$2"
      digest "$1"
      for place in "$settings/configuration" "$settings/src"; do
        [[ ! -d $place || $flake_directory == "$place" ]] || digest "$place"
      done
    } | sha256sum
  ) && say "sha256:${sum%% *}"
}

# candidate_facts: sets candidate_release and state_version, which Nix works out without
# building anything; what it has to say goes to the file.
candidate_facts() {
  local facts
  facts=$(nix eval --json "path:$candidate#nixosConfigurations.\"$flake_host\".config.system" \
    --apply 'system: { inherit (system.nixos) release; inherit (system) stateVersion; }' 2>"$1") || return 1
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
