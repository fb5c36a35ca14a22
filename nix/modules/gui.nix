# The graphical way out of the console menu: GNOME, installed but not started at boot.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkDefault mkIf mkMerge;
  cfg = config.hypervisor;
  # Releases up to 24.11 have it below xserver.
  is_new = options.services ? desktopManager.gnome;
  gnome.enable = mkDefault true;
in
{
  options.hypervisor.gui.enable = lib.mkOption {
    type = lib.types.bool;
    default = false;
    description = ''
      Whether a GNOME session for emergencies is installed, which the menu starts. Nothing graphical
      runs until it is chosen, and the host still boots to the console.
    '';
  };

  config = mkIf (cfg.enable && cfg.gui.enable) (mkMerge [
    (
      if is_new then
        {
          services.desktopManager = { inherit gnome; };
          services.displayManager.gdm.enable = mkDefault true;
        }
      else
        {
          services.xserver.desktopManager = { inherit gnome; };
          services.xserver.displayManager.gdm.enable = mkDefault true;
        }
    )
    {
      # Stronger than the module's own mkDefault, and than that of base.nix.
      services.xserver.enable = lib.mkOverride 900 true;
      # A display manager makes graphical.target what boots, at the usual priority.
      systemd.defaultUnit = lib.mkOverride 90 "multi-user.target";
      # Only multi-user.target is reached at boot, so that nothing starts it but the menu.
      systemd.services.display-manager.wantedBy = lib.mkOverride 900 [ "graphical.target" ];
    }
  ]);
}
