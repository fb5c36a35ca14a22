# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154 # used by those that read it, and set by common.sh
# SPDX-License-Identifier: MIT
#
# Where a host's nixpkgs comes from, as flake.lock has it, and how a copy of the
# configuration gets the newest. Read after upgrade.sh.

# The node of nixpkgs: root's own input, or what that follows.
readonly jq_nixpkgs='
  def node($at; $path): if ($path | length) == 0 then $at else
    .nodes[$at].inputs[$path[0]] as $next
    | if ($next | type) == "array" then node(node(.root; $next); $path[1:])
      elif $next == null then null else node($next; $path[1:]) end end;
  node(.root; ["nixpkgs"]) as $name | if $name == null then empty else .nodes[$name] end'

# input_of LOCK: sets locked_revision, locked_date (seconds), input_owner, input_repo,
# input_branch and input_pin (a revision that flake.nix asks for by itself).
input_of() {
  local fields name
  fields=$(jq -r "$jq_nixpkgs"' |
    [.locked.rev, .locked.lastModified, .original.owner, .original.repo, .original.ref, .original.rev]
    | map(. // "-" | tostring) | join(" ")' "$1" 2>/dev/null) || fields=''
  [[ $fields ]] || die $exit_data "'$1' names no input 'nixpkgs'" "sudo nix flake lock '$(dirname "$1")', then try again"
  read -r locked_revision locked_date input_owner input_repo input_branch input_pin <<<"$fields"
  for name in locked_revision locked_date input_owner input_repo input_branch input_pin; do
    [[ ${!name} != - ]] || printf -v "$name" ''
  done
}

# branch_of FLAKE: what flake.nix asks for now, which may be newer than what is locked.
branch_of() {
  sed -nE 's|^[^#]*nixpkgs\.url *= *"github:NixOS/nixpkgs/([A-Za-z0-9._-]+)".*|\1|Ip' "$1/flake.nix" | head -n 1
}

# refresh_inputs FLAKE: the newest nixpkgs, and folders as they are now. Entries that are
# missing are what `nix flake lock` of every version looks up; words for "update" differ.
refresh_inputs() {
  local lock=$1/flake.lock followed='' draft
  if [[ -e $lock ]]; then
    followed=$(jq -r '.nodes[.root].inputs.nixpkgs | if type == "array" then join("/") else "" end' "$lock") || return 1
    draft=$(jq '.root as $root | .nodes as $nodes | .nodes[$root].inputs |= with_entries(select(
      (.value | type) == "array" or (.key != "nixpkgs" and $nodes[.value].locked.type != "path")))' "$lock") || return 1
    printf '%s\n' "$draft" >"$lock"
  fi
  nix flake lock ${followed:+--update-input "$followed"} "path:$1"
}
