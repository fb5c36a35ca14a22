# Modules: what they declare and define, put together into one configuration.
{ lib, properties }:
let
  inherit (builtins)
    attrNames
    concatMap
    elem
    filter
    foldl'
    functionArgs
    head
    isAttrs
    isFunction
    isPath
    isString
    length
    mapAttrs
    removeAttrs
    ;
  inherit (lib)
    genAttrs
    show
    types
    unique
    ;

  is_option = properties.is "option";
  words = [
    "_file"
    "config"
    "freeformType"
    "imports"
    "key"
    "options"
  ];

  # A module in its long form.
  long =
    file: module:
    let
      is_long = module ? options || module ? config;
      strange = filter (name: !elem name words) (attrNames module);
    in
    if !isAttrs module then
      throw "a module is a set or a function, in ${toString file}"
    else if is_long && strange != [ ] then
      throw "Module `${toString file}' has an unsupported attribute `${head strange}'"
    else
      {
        file = module._file or file;
        imports = module.imports or [ ];
        options = module.options or { };
        freeform = module.freeformType or null;
        config =
          if is_long then
            module.config or { }
          else
            removeAttrs module [
              "_file"
              "freeformType"
              "imports"
              "key"
            ];
      };
in
rec {
  evalModules =
    {
      modules,
      specialArgs ? { },
      prefix ? [ ],
    }:
    let
      # `pkgs` may depend on the configuration, and modules name what they want.
      call =
        function:
        function (
          {
            inherit config lib;
            options = tree;
          }
          // specialArgs
          // mapAttrs (
            name: _:
            specialArgs.${name} or {
              inherit config lib;
              options = tree;
            }
            .${name} or (config._module.args.${name} or (throw "no module argument `${name}'"))
          ) (functionArgs function)
        );

      load =
        seen: file: reference:
        let
          is_file = isPath reference || isString reference;
          key = if is_file then toString reference else null;
          from = if is_file then reference else file;
          read = if is_file then import reference else reference;
          module = long from (if isFunction read then call read else read);
        in
        if key != null && elem key seen.keys then
          seen
        else
          foldl' (seen: load seen module.file) {
            keys = seen.keys ++ lib.optional (key != null) key;
            found = seen.found ++ [ module ];
          } module.imports;

      base = {
        options._module.args = lib.mkOption {
          type = types.attrsOf types.raw;
          default = { };
          internal = true;
        };
      };
      # Of lists, what a later module defines comes first, as in the real one.
      loaded = lib.reverseList (
        (foldl' (seen: load seen "<this configuration>") {
          keys = [ ];
          found = [ ];
        } (lib.optional (prefix == [ ]) base ++ modules)).found
      );

      declare =
        loc: sets:
        genAttrs (unique (concatMap attrNames sets)) (
          name:
          let
            here = loc ++ [ name ];
            found = map (set: set.${name}) (filter (set: set ? ${name}) sets);
            declared = filter is_option found;
          in
          if declared == [ ] then
            declare here found
          else if length found > 1 then
            throw "The option `${show here}' is declared more than once"
          else
            head declared // { loc = here; }
        );
      tree = declare prefix (map (module: module.options) loaded);
      freeforms = filter (type: type != null) (map (module: module.freeform) loaded);

      resolve =
        loc: options: definitions:
        let
          sets = concatMap properties.push definitions;
          names = unique (concatMap (set: attrNames set.value) sets);
          unknown = filter (name: !(options ? ${name})) names;
          of =
            name:
            map (set: set // { value = set.value.${name}; }) (filter (set: set.value ? ${name}) sets);
          culprit = name: toString (head (of name)).file;
          free = (head freeforms).merge loc (
            map (set: set // { value = removeAttrs set.value (attrNames options); }) sets
          );
          known = mapAttrs (
            name: option:
            if is_option option then
              value_of option (of name)
            else
              resolve (loc ++ [ name ]) option (of name)
          ) options;
        in
        if unknown == [ ] then
          known
        else if freeforms == [ ] || loc != prefix then
          throw "The option `${show (loc ++ [ (head unknown) ])}' does not exist. Definition in ${culprit (head unknown)}"
        else
          free // known;

      value_of =
        option: definitions:
        let
          defaults = lib.optional (option ? default) {
            file = "its declaration";
            value = properties.mkOverride 1500 option.default;
          };
          settled = types.settle option.loc option.type (definitions ++ defaults);
          value =
            if settled.is_defined then
              settled.value
            else if option.type.empty != null then
              option.type.merge option.loc [ ]
            else
              throw "The option `${show option.loc}' was accessed but has no value defined. Try setting the option.";
        in
        (option.apply or (x: x)) value;

      config = resolve prefix tree (
        map (module: {
          inherit (module) file;
          value = module.config;
        }) loaded
      );
    in
    {
      inherit config;
      options = tree;
    };
}
