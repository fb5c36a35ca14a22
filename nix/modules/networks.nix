# Bridges for guests, and the zones by which profiles name them.
{ config, lib, ... }:
let
  inherit (lib)
    mkDefault
    mkIf
    mkOption
    types
    ;
  cfg = config.hypervisor;
  cidr = types.strMatching "[0-9]{1,3}(\\.[0-9]{1,3}){3}/[0-9]{1,2}";

  bridge = {
    options = {
      interfaces = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "eno1" ];
        description = "Network cards of the host in it. With none, it is one of the host and its guests alone.";
      };
      address = mkOption {
        type = types.nullOr cidr;
        default = null;
        example = "192.0.2.1/24";
        description = "The host's own address on it. Without it, one by DHCP if there are cards in it.";
      };
      nat = mkOption {
        type = types.bool;
        default = false;
        description = "Whether guests on it reach the outside behind the host's address.";
      };
      zone = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "dmz";
        description = "The zone by which profiles name it: `network.zone`.";
      };
    };
  };

  address_of =
    text:
    let
      parts = builtins.match "(.*)/(.*)" text;
    in
    {
      address = builtins.elemAt parts 0;
      prefixLength = lib.toInt (builtins.elemAt parts 1);
    };
  zones = lib.filterAttrs (_: network: network.zone != null) cfg.networks;
  behind_nat = lib.filterAttrs (_: network: network.nat) cfg.networks;
in
{
  options.hypervisor.networks = mkOption {
    type = types.attrsOf (types.submodule bridge);
    default = { };
    example = {
      br0 = {
        interfaces = [ "eno1" ];
      };
    };
    description = "Bridges, by their names.";
  };

  config = mkIf (cfg.enable && cfg.networks != { }) {
    assertions = lib.concatLists (
      lib.mapAttrsToList (name: network: [
        {
          assertion = builtins.match "[A-Za-z0-9][A-Za-z0-9._-]{0,14}" name != null;
          message = "hypervisor.networks: '${name}' is not a name that the kernel takes for a bridge";
        }
        {
          assertion = network.nat -> network.address != null;
          message = "hypervisor.networks.${name}: nat needs an address, which is the guests' gateway";
        }
      ]) cfg.networks
    );

    networking.bridges = lib.mapAttrs (_: network: { inherit (network) interfaces; }) cfg.networks;
    networking.interfaces = lib.mapAttrs (
      _: network:
      if network.address != null then
        { ipv4.addresses = [ (address_of network.address) ]; }
      else
        { useDHCP = mkDefault (network.interfaces != [ ]); }
    ) cfg.networks;
    networking.nat = mkIf (behind_nat != { }) {
      enable = mkDefault true;
      internalInterfaces = builtins.attrNames behind_nat;
    };

    hypervisor.settings = mkIf (zones != { }) {
      network_zones = lib.mapAttrs' (
        bridge: network: lib.nameValuePair network.zone { inherit bridge; }
      ) zones;
    };
  };
}
