# JSON with a member a line, as people write it: these files are read on the host.
{ lib }:
let
  print =
    indent: value:
    let
      deeper = indent + "  ";
      lines = lib.concatStringsSep ",\n";
      member = name: deeper + builtins.toJSON name + ": " + print deeper value.${name};
    in
    if builtins.isAttrs value && value != { } && !(value ? outPath) then
      "{\n" + lines (map member (builtins.attrNames value)) + "\n" + indent + "}"
    else if builtins.isList value && builtins.any builtins.isAttrs value then
      "[\n" + lines (map (element: deeper + print deeper element) value) + "\n" + indent + "]"
    else
      builtins.toJSON value;
in
value: print "" value + "\n"
