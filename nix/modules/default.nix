# A host for virtual machines. docs/nixos.md says how to begin, docs/nixos-options.md
# lists every option.
#
# What is set here is set with mkDefault, once: the host's own configuration need not
# force anything.
{
  imports = [
    ./base.nix
    ./vms.nix
    ./memory.nix
    ./vfio.nix
    ./networks.nix
    ./menu.nix
    ./gui.nix
    ./update-checker.nix
    ./hardening.nix
  ];
}
