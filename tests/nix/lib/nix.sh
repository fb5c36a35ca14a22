# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# Nix from Debian 13, unpacked beside the system: no installation, no daemon, no /nix.
#
#   make_nix build/nix
#   nix_run nix-instantiate --eval …
. scripts/lib/packages.sh

unpack_nix() {
  open_suite trixie "$(debian_architecture)"
  unpack_with_dependencies "$1" nix-bin
}

make_nix() {
  nix_root=$(realpath -m "$1/root")
  build_once "$nix_root" 'nix-bin of trixie' unpack_nix
  nix_loader=$(find "$nix_root/usr/lib64" "$nix_root/usr/lib" -maxdepth 1 -name 'ld-linux*' -print -quit 2>/dev/null)
  nix_libraries=$nix_root/usr/lib/$(uname -m)-linux-gnu:$nix_root/lib/$(uname -m)-linux-gnu
  # Nothing of the user's, and no server.
  export NIX_CONFIG='experimental-features = nix-command flakes
allow-import-from-derivation = false
substituters =
build-users-group =
flake-registry =
warn-dirty = false
sandbox = false
fsync-metadata = false'
  export HOME=$1/home XDG_CACHE_HOME=$1/home/.cache NIX_STATE_DIR=$1/state
  mkdir -p "$HOME"
}

# nix_run APPLET ARGUMENT...
nix_run() {
  local applet=$1
  shift
  "$nix_loader" --argv0 "$applet" --library-path "$nix_libraries" \
    "$nix_root/usr/bin/nix" "$@"
}

# evaluate ATTRIBUTE [ARGUMENT...]: of tests/nix/eval.nix, as JSON. Writes nothing.
evaluate() {
  nix_run nix-instantiate --eval --strict --json --store dummy:// tests/nix/eval.nix -A "$@"
}
