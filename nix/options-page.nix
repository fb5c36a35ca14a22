# docs/nixos-options.md, from the options themselves:
#   tests/nix/run --accept
{ lib, options }:
let
  inherit (builtins) isAttrs isList isString toJSON;
  is_option = value: value._type or null == "option";

  # Options inside of a type, however deep, each with what stands between.
  inside =
    type:
    let
      joint =
        {
          listOf = "[]";
          attrsOf = ".<name>";
        }
        .${type.name} or "";
      nested = builtins.attrValues type.nestedTypes;
    in
    map (found: found // { path = joint + found.path; }) (
      if nested == [ ] then below (type.getSubOptions [ ]) else lib.concatMap inside nested
    );
  below =
    tree:
    lib.concatMap (
      name:
      map (found: found // { path = ".${name}" + found.path; }) (
        if is_option tree.${name} then
          [
            {
              path = "";
              option = tree.${name};
            }
          ]
          ++ inside tree.${name}.type
        else
          below tree.${name}
      )
    ) (builtins.filter (name: name != "_module") (builtins.attrNames tree));

  # A value as Nix has it.
  nix =
    value:
    if value ? _type then
      value.text
    else if isList value then
      if value == [ ] then "[ ]" else "[ ${lib.concatMapStringsSep " " nix value} ]"
    else if isAttrs value then
      if value == { } then
        "{ }"
      else
        "{ ${lib.concatStrings (lib.mapAttrsToList (name: v: "${key name} = ${nix v}; ") value)}}"
    else if value == null then
      "null"
    else
      toJSON value;
  key =
    name: if builtins.match "[A-Za-z_][A-Za-z0-9_-]*" name != null then name else toJSON name;

  one_line = text: builtins.replaceStrings [ "\n" "|" ] [ " " "\\|" ] (trimmed text);
  trimmed = text: lib.removeSuffix "\n" text;
  manual =
    text:
    let
      found = builtins.match "(.*)\\{manpage}`([^`]*)`(.*)" text;
    in
    if found == null then
      text
    else
      "${builtins.elemAt found 0}${builtins.elemAt found 1}${builtins.elemAt found 2}";

  default_of =
    option:
    let
      value = option.defaultText or (option.default or null);
    in
    if !(option ? default) then
      "required"
    else if value == null then
      ""
    else
      "`${one_line (nix value)}`";
  example_of =
    option:
    lib.optionalString (option ? example) " Like `${one_line (nix option.example)}`.";
  # Pattern and range are in profile.md, in words.
  type_of =
    type:
    let
      nested = type.nestedTypes or { };
    in
    {
      nullOr = type_of nested.elemType;
      either = "${type_of nested.left} or ${type_of nested.right}";
      listOf = "list of ${type_of nested.elemType}";
      attrsOf = "set of ${type_of nested.elemType}";
      strMatching = "text";
      str = "text";
      singleLineStr = "text";
      submodule = "set";
      bool = "true or false";
      intBetween = "number";
      unsignedInt = "number";
      anything = "anything";
    }
    .${lib.head (lib.splitString " " type.name)} or type.description;

  row =
    { path, option }:
    "| `hypervisor${path}` | ${one_line (type_of option.type)} | ${default_of option} | ${one_line (manual (trimmed option.description))}${example_of option} |\n";
in
''
  # NixOS options

  <!-- Made from the options themselves by `tests/nix/run --accept`, which `tests/nix/run` checks. -->

  Of `nixosModules.hypervisor`. [nixos.md](nixos.md) says how to begin. The members of `hypervisor.vms.<name>` are
  the fields of a profile, which [profile.md](profile.md) explains with their forms and ranges; a field that is not
  set is not in the profile.

  | option | type | default | what it is for |
  |---|---|---|---|
  ${lib.concatStrings (map row (below options.hypervisor))}''
