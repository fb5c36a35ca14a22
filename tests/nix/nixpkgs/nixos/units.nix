# The text of systemd's units, as NixOS writes it.
{ lib, pkgs }:
let
  inherit (builtins) isBool isList;
  value_of = value: if isBool value then lib.boolToString value else toString value;
  lines_of =
    settings:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: value: lib.concatMapStrings (value: "${name}=${value_of value}\n") (lib.toList value)
      ) settings
    );
  # Where units of the same kind are listed on one line.
  row =
    name: units: lib.optionalAttrs (units != [ ]) { ${name} = lib.concatStringsSep " " units; };

  head =
    unit:
    "[Unit]\n"
    + lines_of (
      lib.optionalAttrs (unit.description != "") { Description = unit.description; }
      // row "After" unit.after
      // row "Before" unit.before
      // row "BindsTo" unit.bindsTo
      // row "Conflicts" unit.conflicts
      // row "Documentation" unit.documentation
      // row "OnFailure" unit.onFailure
      // row "PartOf" unit.partOf
      // row "Requires" unit.requires
      // row "Wants" unit.wants
      // unit.unitConfig
    );

  basic = map (name: pkgs.${name}) [
    "coreutils"
    "systemd"
  ];
  path_of =
    unit:
    lib.concatMapStringsSep ":" (package: "${package}/bin:${package}/sbin") (
      unit.path ++ lib.optionals unit.enableDefaultPath basic
    );
  environment_of =
    unit:
    lib.concatStrings (
      lib.mapAttrsToList (name: value: "Environment=\"${name}=${toString value}\"\n") (
        { PATH = path_of unit; } // lib.filterAttrs (_: value: value != null) unit.environment
      )
    );
in
{
  service =
    unit:
    head unit
    + "\n[Service]\n"
    + environment_of unit
    + lib.optionalString (!unit.restartIfChanged) "X-RestartIfChanged=false\n"
    + lib.optionalString (!unit.stopIfChanged) "X-StopIfChanged=false\n"
    + lines_of unit.serviceConfig;
  timer = unit: head unit + "\n[Timer]\n" + lines_of unit.timerConfig;
  target = head;
}
