# The options of a VM, made from the schema that `hvlaunch schema` prints: a field that
# the program learns is an option here as soon as nix/profile-schema.json is renewed.
#
# What a type cannot say (fields that exclude each other, paths without '..') is said by
# `hvlaunch check`, which runs when the host's configuration is built.
{ lib }:
let
  inherit (lib) mkOption types;

  # Nix has the regular expressions of POSIX, the schema those of ECMAScript.
  is_posix = pattern: !lib.hasInfix "(?" pattern;
  matching =
    pattern: if is_posix pattern then types.strMatching (bare pattern) else types.singleLineStr;
  # Nix matches whole strings without being told.
  bare = pattern: lib.removePrefix "^" (lib.removeSuffix "$" pattern);

  text =
    schema:
    if schema ? enum then
      types.enum schema.enum
    else if schema ? pattern then
      matching schema.pattern
    else
      types.str;

  type_of =
    schema:
    if schema ? oneOf then
      types.oneOf (map type_of schema.oneOf)
    else if builtins.isList (schema.type or null) then
      types.oneOf (map (type: type_of { inherit type; }) schema.type)
    else if !(schema ? type) then
      types.enum schema.enum # Of several types: true, "prefer", false.
    else
      {
        boolean = types.bool;
        integer = if schema ? minimum then types.ints.between schema.minimum schema.maximum else types.int;
        string = text schema;
        array = types.listOf (type_of schema.items);
        object =
          if schema ? properties then
            types.submodule { options = options_of schema; }
          else
            types.attrsOf (type_of schema.patternProperties."^(?!_)"); # Names are free.
      }
      .${schema.type};

  has_default = schema: schema ? default;
  default_of =
    schema: lib.optionalString (has_default schema) " Without it: `${builtins.toJSON schema.default}`.";

  # Required fields have no default, so that Nix names the one that is missing.
  option_of =
    is_required: schema:
    mkOption (
      {
        type = if is_required then type_of schema else types.nullOr (type_of schema);
        description = schema.description + "." + default_of schema;
      }
      // lib.optionalAttrs (!is_required) { default = null; }
      // lib.optionalAttrs (schema ? examples) { example = builtins.head schema.examples; }
    );

  options_of =
    schema:
    lib.mapAttrs (name: option_of (builtins.elem name (schema.required or [ ]))) schema.properties;

  # What was not set is not in the profile: defaults are the program's.
  without_nulls =
    value:
    if builtins.isAttrs value then
      lib.mapAttrs (_: without_nulls) (lib.filterAttrs (_: member: member != null) value)
    else if builtins.isList value then
      map without_nulls value
    else
      value;
in
{
  inherit options_of without_nulls;
  schema = builtins.fromJSON (builtins.readFile ../profile-schema.json);
}
