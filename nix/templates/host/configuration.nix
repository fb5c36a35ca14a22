# What is this host's own. All options: docs/nixos-options.md.
{
  # Where this file is the first one, and there is no hardware-configuration.nix yet:
  # nixos-generate-config --root /mnt
  boot.loader.systemd-boot.enable = true;
  boot.loader.efi.canTouchEfiVariables = true;

  # hypervisor.admins = [ "alice" ];
  # hypervisor.networks.br0.interfaces = [ "eno1" ];
}
