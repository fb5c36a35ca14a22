# The installer's image: it boots to the menu, whose service begins with the setup wizard
# where there are no guests yet. The repository lies on it, so that `bootstrap` needs no network.
{
  lib,
  modulesPath,
  pkgs,
  ...
}:
let
  source = builtins.path {
    name = "hvlaunch-source";
    path = ../.;
    filter =
      path: _:
      !builtins.elem (baseNameOf path) [
        ".git"
        "build"
        "result"
      ];
  };
in
{
  imports = [ "${modulesPath}/installer/cd-dvd/installation-cd-minimal.nix" ];

  hypervisor.enable = true;
  # Nothing on it is older than the image itself.
  hypervisor.updateChecker.enable = false;

  networking.hostName = lib.mkDefault "hypervisor";
  # The installer's own module would let root in by password, up to 24.05 without mkDefault.
  services.openssh.settings.PermitRootLogin = lib.mkOverride 90 "prohibit-password";
  environment.etc."hypervisor/src".source = source;
  environment.systemPackages = [
    pkgs.git
    pkgs.jq
  ];

  isoImage.volumeID = lib.mkDefault "HVLAUNCH";
}
