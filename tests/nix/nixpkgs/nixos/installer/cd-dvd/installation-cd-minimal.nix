{ lib, ... }:
{
  boot.loader.timeout = lib.mkDefault 10;
  isoImage.makeEfiBootable = lib.mkDefault true;
  services.openssh.settings.PermitRootLogin = lib.mkDefault "yes";
  services.getty.autologinUser = "nixos";
}
