# The console menu at boot. Its unit and the drop-in that moves the login away come from
# the package; here they are only turned on.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.hypervisor;
in
{
  options.hypervisor.menu = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether the console menu has the first terminal instead of a login. Whoever sits at the
        console then manages guests as root, without a password. For one boot: `hvlaunch.menu=off`
        on the kernel's command line.
      '';
    };

    autostartTimeout = mkOption {
      type = types.nullOr types.ints.unsigned;
      default = null;
      example = 10;
      description = ''
        Seconds before the menu starts the guest that ran last, unless a key is pressed; 0: never.
        It is `features.autostart_timeout_sec` of config.json.
      '';
    };
  };

  config = mkIf (cfg.enable && cfg.menu.enable) {
    systemd.services.hypervisor-menu = {
      overrideStrategy = "asDropin";
      wantedBy = [ "multi-user.target" ];
      # Whoever is in the menu is not thrown out by a rebuild.
      restartIfChanged = false;
    };
    # So that there is a login whatever becomes of the menu.
    systemd.services."getty@tty2" = {
      overrideStrategy = "asDropin";
      wantedBy = [ "getty.target" ];
    };

    environment.systemPackages = [
      pkgs.newt
      pkgs.dialog
    ];
    hypervisor.settings = mkIf (cfg.menu.autostartTimeout != null) {
      features.autostart_timeout_sec = cfg.menu.autostartTimeout;
    };
  };
}
