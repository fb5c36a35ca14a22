# Huge pages that are set aside at boot, while memory is still in one piece.
{ config, lib, ... }:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.hypervisor;
  sizes = [
    "2M"
    "16M"
    "32M"
    "512M"
    "1G"
  ];
  wanted = lib.filterAttrs (_: count: count > 0) cfg.hugepages.pages;
in
{
  options.hypervisor.hugepages = {
    pages = mkOption {
      type = types.attrsOf types.ints.unsigned;
      default = { };
      example = {
        "1G" = 16;
      };
      description = ''
        How many huge pages of each size (${lib.concatStringsSep ", " sizes}) are set aside at boot.
        Guests make those of 2 MiB themselves where memory allows; 1 GiB is best asked for here.
      '';
    };

    default = mkOption {
      type = types.nullOr (types.enum sizes);
      default = null;
      example = "1G";
      description = "The size that the kernel takes where none is named. Without it, the architecture's own.";
    };
  };

  config = mkIf cfg.enable {
    assertions = map (size: {
      assertion = builtins.elem size sizes;
      message = "hypervisor.hugepages.pages: no size '${size}'; there are ${lib.concatStringsSep ", " sizes}";
    }) (builtins.attrNames cfg.hugepages.pages);

    # A number of pages belongs to the size before it.
    boot.kernelParams =
      lib.optional (cfg.hugepages.default != null) "default_hugepagesz=${cfg.hugepages.default}"
      ++ lib.concatLists (
        lib.mapAttrsToList (size: count: [
          "hugepagesz=${size}"
          "hugepages=${toString count}"
        ]) wanted
      );
  };
}
