# The part of nixpkgs' lib that this project uses.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    fromJSON
    isList
    length
    listToAttrs
    mapAttrs
    stringLength
    substring
    ;
  properties = import ./properties.nix;

  lib = rec {
    inherit (builtins)
      attrNames
      attrValues
      concatLists
      concatMap
      concatStringsSep
      elem
      elemAt
      filter
      functionArgs
      genList
      head
      isFunction
      length
      mapAttrs
      match
      tail
      ;
    inherit (properties)
      mkIf
      mkMerge
      mkOrder
      mkOverride
      ;
    mkDefault = mkOverride 1000;
    mkForce = mkOverride 50;
    mkBefore = mkOrder 500;
    mkAfter = mkOrder 1500;

    types = import ./types.nix { inherit lib properties; };
    inherit (import ./modules.nix { inherit lib properties; }) evalModules;

    mkOption = option: { _type = "option"; type = types.unspecified; } // option;
    mkEnableOption =
      what:
      mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = "Whether to enable ${what}.";
      };
    literalExpression = text: {
      _type = "literalExpression";
      inherit text;
    };

    show = concatStringsSep ".";
    unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
    reverseList = foldl' (reversed: x: [ x ] ++ reversed) [ ];
    last = list: elemAt list (length list - 1);
    optional = condition: x: if condition then [ x ] else [ ];
    optionals = condition: xs: if condition then xs else [ ];
    optionalAttrs = condition: set: if condition then set else { };
    optionalString = condition: text: if condition then text else "";

    nameValuePair = name: value: { inherit name value; };
    genAttrs = names: make: listToAttrs (map (name: nameValuePair name (make name)) names);
    filterAttrs =
      keep: set:
      listToAttrs (
        map (name: nameValuePair name set.${name}) (filter (name: keep name set.${name}) (attrNames set))
      );
    mapAttrs' = make: set: listToAttrs (map (name: make name set.${name}) (attrNames set));
    mapAttrsToList = make: set: map (name: make name set.${name}) (attrNames set);

    concatStrings = concatStringsSep "";
    concatMapStrings = make: xs: concatStrings (map make xs);
    concatMapStringsSep = separator: make: xs: concatStringsSep separator (map make xs);
    hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
    hasSuffix =
      suffix: text:
      stringLength text >= stringLength suffix
      && substring (stringLength text - stringLength suffix) (-1) text == suffix;
    removePrefix =
      prefix: text: if hasPrefix prefix text then substring (stringLength prefix) (-1) text else text;
    removeSuffix =
      suffix: text:
      if hasSuffix suffix text then
        substring 0 (stringLength text - stringLength suffix) text
      else
        text;
    hasInfix =
      infix: text:
      let
        size = stringLength infix;
      in
      builtins.any (at: substring at size text == infix) (
        builtins.genList (at: at) (stringLength text + 1)
      );
    toInt = text: fromJSON text;
    splitString =
      separator: text: filter builtins.isString (builtins.split separator text);
    boolToString = value: if value then "true" else "false";
    toList = x: if isList x then x else [ x ];

    getExe = package: "${package}/bin/${package.meta.mainProgram}";
    makeBinPath = concatMapStringsSep ":" (package: "${package}/bin");
    cmakeBool = name: value: "-D${name}:BOOL=${if value then "TRUE" else "FALSE"}";
    cmakeFeature = name: value: "-D${name}:STRING=${value}";

    licenses.mit = {
      spdxId = "MIT";
    };
    # Paths that do not exist are an error, as they are in the real one.
    fileset = {
      toSource = { root, fileset }: builtins.seq fileset root;
      unions =
        paths:
        let
          missing = filter (path: !builtins.pathExists path) paths;
        in
        if missing == [ ] then paths else throw "lib.fileset: ${toString missing} does not exist";
    };
  };
in
lib
