# This host. It is yours: upgrades of the suite do not touch it once it lies in
# /etc/hypervisor/configuration.
#
# What holds if several places say something of one option, weakest first:
#   1. the suite's defaults (mkDefault)
#   2. what was found on this host when the suite was installed: system-local.nix
#   3. what stands here
{ lib, ... }@args:
let
  # Stronger than a default, weaker than what somebody wrote. Lists add up, and what is
  # marked already stays as it is.
  as_found =
    value:
    if builtins.isAttrs value && !(value ? _type || value ? outPath) then
      lib.mapAttrs (_: as_found) value
    else if builtins.isList value || builtins.isAttrs value then
      value
    else
      lib.mkOverride 900 value;
  found =
    file:
    let
      module = import file;
    in
    { config, pkgs, ... }@all:
    {
      _file = file;
      config = as_found (if builtins.isFunction module then module (args // all) else module);
    };
  where_there = file: lib.optional (builtins.pathExists file) file;
in
{
  imports =
    where_there ./hardware-configuration.nix
    ++ where_there ./users-local.nix
    ++ map found (where_there ./system-local.nix);

  hypervisor.enable = true;

  # The release that this host was first installed with, not the one it runs. The one that
  # was found on the host takes this one's place.
  system.stateVersion = lib.mkDefault "26.05";

  # hypervisor.updateChecker.schedule = "weekly";
  # hypervisor.vms.web = {
  #   cpus = 2;
  #   memory_mb = 2048;
  # };
}
