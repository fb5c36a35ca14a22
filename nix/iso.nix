# The installer's image: it boots to the menu, which begins with the setup wizard where
# nothing has been set up. The repository lies on it, so that `bootstrap` needs no network.
{
  config,
  lib,
  modulesPath,
  pkgs,
  ...
}:
{
  imports = [ "${modulesPath}/installer/cd-dvd/installation-cd-minimal.nix" ];

  hypervisor.enable = true;
  # Nothing on it is older than the image itself.
  hypervisor.updateChecker.enable = false;

  networking.hostName = lib.mkDefault "hypervisor";
  # The installer's own module would let root in by password.
  services.openssh.settings.PermitRootLogin = "prohibit-password";
  environment.etc."hypervisor/src".source = ../.;
  environment.systemPackages = [
    pkgs.git
    pkgs.jq
  ];

  systemd.services.hypervisor-first-boot = {
    description = "Setup of the first boot";
    documentation = [ "man:hv(1)" ];
    wantedBy = [ "multi-user.target" ];
    before = [ "hypervisor-menu.service" ];
    unitConfig = {
      ConditionPathExists = "!/var/lib/hypervisor/setup-done";
      ConditionKernelCommandLine = "!hvlaunch.menu=off";
    };
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${config.hypervisor.package}/bin/hypervisor-menu --first-boot";
      StandardInput = "tty";
      StandardOutput = "tty";
      StandardError = "tty";
      TTYPath = "/dev/tty1";
      TTYReset = true;
      TTYVHangup = true;
      TTYVTDisallocate = true;
      Environment = "TERM=linux";
    };
  };

  isoImage.volumeID = lib.mkDefault "HVLAUNCH";
}
