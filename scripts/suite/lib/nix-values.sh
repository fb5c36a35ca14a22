# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Values written as Nix, from text that may hold anything.
#
#   printf 'time.timeZone = %s;\n' "$(nix_string "$zone")"
#   printf 'extraGroups = %s;\n' "$(nix_list "${groups[@]}")"

nix_string() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  # Each dollar, not only `${`: after another dollar Nix reads that one otherwise.
  text=${text//\$/\\\$}
  text=${text//$'\n'/\\n}
  text=${text//$'\r'/\\r}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$text"
}

nix_list() {
  local item
  printf '['
  for item in "$@"; do printf ' %s' "$(nix_string "$item")"; done
  printf ' ]'
}

# nix_setting NAME VALUE: a line of a module, left out if there is no value.
nix_setting() {
  [[ -z $2 ]] || printf '  %s = %s;\n' "$1" "$(nix_string "$2")"
}
