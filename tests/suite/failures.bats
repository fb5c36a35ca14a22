#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What fails an upgrade is recognised by what Nix and the activation say.

load lib/root

setup() {
  source "$SOURCE_ROOT/scripts/suite/lib/failures.sh"
  SAID=$BATS_TEST_TMPDIR/said
}

# kinds: lines of `KIND TEXT`; each text is of that kind.
kinds() {
  local kind text wrong=0
  while IFS=' ' read -r kind text; do
    printf 'building the system configuration...\n%s\n' "$text" >"$SAID"
    recognise "$SAID"
    [[ $failure_kind == "$kind" ]] || { echo "'$text' is of kind '$failure_kind'" && wrong=1; }
  done
  ((!wrong))
}

# page: upgrade-management#conflicts
@test "conflicts of options" {
  kinds <<'END'
configuration error: The option `services.foo' does not exist. Definition values:
configuration error: The option `networking.hostName' has conflicting definition values:
configuration error: The option `hardware.opengl' can no longer be used since it's been removed.
configuration Failed assertions: - The option definition `x' no longer has any effect
configuration error: A definition for option `time.timeZone' is not of type `null or string'.
configuration error: undefined variable 'pkgz'
configuration error: syntax error, unexpected '}', expecting ';'
configuration error: infinite recursion encountered
configuration error: attribute 'qemu_kvmm' missing
END
  [[ $(cure_of configuration) == *"Rename or remove it there"*release-notes.html*hv-upgrade-test* ]]
}

# page: upgrade-management#hardware
@test "changes of the hardware and of booting" {
  kinds <<'END'
hardware error: ‘fileSystems’ option does not specify your root file system.
hardware error: You must set the option ‘boot.loader.grub.devices’ or 'boot.loader.grub.mirroredBoots' to make the system bootable.
hardware error: getting status of '/nix/store/x/hardware-configuration.nix': No such file or directory
hardware Failed to install bootloader
hardware /dev/disk/by-uuid/1234-ABCD does not exist
END
  [[ $(cure_of hardware) == *nixos-generate-config*--force*hv-upgrade-test* ]]
}

# page: upgrade-management#build-failures
# page: upgrade-management#disk-space
@test "builds, and disks that are full" {
  kinds <<'END'
build error: builder for '/nix/store/x-qemu-8.2.drv' failed with exit code 2;
build error: 1 dependencies of derivation '/nix/store/x-system.drv' failed to build
disk-space error: writing to file: No space left on device
disk-space error: executing SQLite statement: database or disk is full (in '/nix/var/nix/db/db.sqlite')
END
  for kind in build disk-space; do
    [[ $(cure_of "$kind") == *"df -h /nix"*"nix-collect-garbage -d"*"sudo hv-upgrade-test"* ]]
  done
}

# page: upgrade-management#download
# page: upgrade-management#support-order
@test "downloads, hashes, downgrades, files and the rest" {
  kinds <<'END'
download error: unable to download 'https://cache.nixos.org/nix-cache-info': Could not resolve host: cache.nixos.org (6)
download warning: error: unable to download 'https://github.com/x.tar.gz': HTTP error 504
hash-mismatch error: NAR hash mismatch in input 'github:NixOS/nixpkgs/abc', expected 'sha256-a', got 'sha256-b'
hash-mismatch error: mismatch in field 'narHash' of input 'path:/etc/hypervisor'
hash-mismatch error: hash mismatch in fixed-output derivation '/nix/store/x.drv':
downgrade refusing to downgrade: this would be NixOS 23.11, and 24.05 runs
permission error: repository path '/etc/nixos' is not owned by current user
permission mkdir: cannot create directory: Read-only file system
lock error: cannot write modified lock file of flake 'path:/x' (use '--no-write-lock-file' to ignore)
activation warning: error(s) occurred while switching to the new configuration
services sshd.service has failed since the upgrade was activated
services guest web no longer runs
unknown error: something that nobody has thought of
END
}

@test "the cause counts, not what it leads to" {
  kinds <<'END'
disk-space error: builder for '/nix/store/x.drv' failed: write: No space left on device
hash-mismatch error: hash mismatch in fixed-output derivation 'x'; 1 dependencies of derivation 'y' failed to build
END
}

@test "every kind has its signs, a name and a cure" {
  for kind in "${failure_kinds[@]}"; do
    [[ $(name_of "$kind") && $(cure_of "$kind") ]]
    [[ $kind == unknown || ${failure_signs[$kind]} ]]
  done
  ((${#failure_kinds[@]} == 12))
}

@test "the lines that say so are shown, of an unknown failure the last ones" {
  printf 'a\nNo space left on device\nb\nNo space left on device here\n' >"$SAID"
  [[ $(evidence "$SAID" disk-space) == $'No space left on device\nNo space left on device here' ]]
  seq 20 >"$SAID"
  [[ $(evidence "$SAID" unknown) == $'16\n17\n18\n19\n20' ]]
}
