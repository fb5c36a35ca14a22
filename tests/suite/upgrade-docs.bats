#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What docs/upgrade.md and docs/troubleshooting.md say is so.

load lib/root
load lib/upgrade

bats_require_minimum_version 1.5.0

setup() {
  upgrade_host
  GUIDE=$SOURCE_ROOT/docs/upgrade.md
  TROUBLE=$SOURCE_ROOT/docs/troubleshooting.md
}

# says TEXT...: the guide or the other page.
says() {
  local text pages
  pages=$(tr -s '\n ' ' ' <"$GUIDE")$(tr -s '\n ' ' ' <"$TROUBLE")
  for text in "$@"; do
    [[ $pages == *"$text"* ]] || { echo "not said: $text" >&2 && return 1; }
  done
}

# page: upgrade-management#tests-safely
# page: upgrade-management#keeps-configuration
# page: upgrade-management#state-version
# page: upgrade-management#user-overrides
@test "the whole way: check, test, upgrade; but for the lock, no file of the configuration changes" {
  before=$(tree_of etc | grep -v flake.lock)
  check_updates
  upgrade_test
  system_upgrade
  [[ $status == 0 && $(boots) == new ]]
  [[ $(tree_of etc | grep -v -e flake.lock -e motd.d) == "$(grep -v motd.d <<<"$before")" ]]
}

# page: upgrade-management#pin
@test "the flake of a bootstrapped host names a stable release, in one line that grep finds" {
  source "$SOURCE_ROOT/scripts/suite/lib/common.sh"
  source "$SOURCE_ROOT/scripts/suite/lib/nix-values.sh"
  source "$SOURCE_ROOT/scripts/suite/lib/bootstrap-files.sh"
  source_path=$SOURCE_ROOT
  suite_flake >"$PIN/flake.nix"
  [[ $(grep nixpkgs.url "$PIN/flake.nix") =~ ^\ +(inputs\.)?nixpkgs\.url\ =\ \"github:NixOS/nixpkgs/nixos-[0-9]{2}\.[0-9]{2}\"\;$ ]]
  source "$SOURCE_ROOT/scripts/suite/lib/upgrade-inputs.sh"
  [[ $(branch_of "$PIN") =~ ^nixos-[0-9]{2}\.[0-9]{2}$ ]]
}

# page: upgrade-management#reset-lock
@test "a flake.lock that was removed, or made anew by hand, is no hindrance" {
  rm "$PIN/flake.lock"
  upgrade_test
  [[ $status == 0 ]]
  cp "$HV_ROOT/new.lock" "$PIN/flake.lock"
  upgrade_test --locked
  [[ $status == 0 ]]
  system_upgrade
  [[ $status == 0 && $(boots) == new ]]
  says 'sudo rm flake.lock sudo nix flake update'
}

# page: upgrade-management#permission-fix
@test "rights that are set right do not cost the test" {
  upgrade_test
  chmod 0400 "$PIN/flake.nix"
  chown -R root:root "$PIN"
  chmod -R u+rw "$PIN"
  system_upgrade
  [[ $status == 0 ]]
  says 'sudo chown -R root:root /etc/hypervisor /etc/nixos sudo chmod -R u+rw /etc/hypervisor /etc/nixos'
}

# page: upgrade-management#verification
@test "no command turns checks of signatures and hashes off" {
  run grep -rnE -- '--no-check-sigs|require-sigs|--impure|--no-require|trusted-public-keys *= *$|--option sandbox|accept-flake-config|--insecure|http\.sslVerify' "$SOURCE_ROOT"/scripts/suite
  [[ $status == 1 && $output == '' ]]
  upgrade_test
  system_upgrade
  [[ $(calls nixos-rebuild) != *--option* && $(calls nix) != *--option* ]]
  says 'a cache whose signature Nix checks'
}

# page: upgrade-management#maintenance-windows
# page: upgrade-management#release-notes
@test "the guide says when to upgrade, and where the release notes are" {
  says 'off-peak, on a weekend' 'https://nixos.org/manual/nixos/stable/release-notes.html' \
    'sudo cp -a /etc/nixos /root/nixos-backup-$(date +%Y%m%d)' 'sudo cp -a /etc/hypervisor /root/hypervisor-backup-$(date +%Y%m%d)'
}

@test "files, options and kinds of failures in the pages are those of the commands" {
  source "$SOURCE_ROOT/scripts/suite/lib/failures.sh"
  for kind in "${failure_kinds[@]}"; do
    says "(\`$kind\`)"
  done
  for command in hv-check-updates hv-upgrade-test hv-system-upgrade; do
    help=$(script "suite/$command" --help)
    for option in $(grep -ohE "$command( --[a-z]+)+" "$GUIDE" "$TROUBLE" | grep -oE -- '--[a-z]+' | sort -u); do
      [[ $help == *"  $option"* ]] || { echo "$command has no $option" >&2 && return 1; }
    done
  done
  check_updates
  upgrade_test
  system_upgrade
  for path in $(grep -ohE '/var/(log|lib)/hypervisor/[a-z-]+(\.log)?' "$GUIDE" "$TROUBLE" | sort -u); do
    [[ -e $HV_ROOT$path || $path == */update-available ]] || { echo "there is no $path" >&2 && return 1; }
  done
}

@test "links within the pages lead somewhere" {
  for page in "$GUIDE" "$TROUBLE"; do
    for link in $(grep -oE '\]\([^)h][^)]*\)' "$page" | tr -d ']()'); do
      file=${link%%#*} anchor=${link#*#}
      target=$page
      [[ ! $file ]] || target=$(dirname "$page")/$file
      [[ -e $target ]] || { echo "$page: $link" >&2 && return 1; }
      [[ $link != *'#'* ]] || grep -E '^#' "$target" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9#\n-' | grep -qE "^#+-$anchor\$" || { echo "$page: $link" >&2 && return 1; }
    done
  done
}
