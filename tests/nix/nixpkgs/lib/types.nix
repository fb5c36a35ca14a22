# Types of options: what they accept, and how several definitions become one value.
{ lib, properties }:
let
  inherit (builtins)
    all
    any
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    genList
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    mapAttrs
    match
    tail
    toJSON
    typeOf
    ;
  inherit (lib) genAttrs show unique;

  values = map (definition: definition.value);
  places = definitions: concatStringsSep ", " (unique (map (d: toString d.file) definitions));

  conflict =
    loc: definitions:
    throw "The option `${show loc}' has conflicting definition values, in ${places definitions}";
  same =
    loc: definitions:
    let
      first = (head definitions).value;
    in
    if all (value: value == first) (tail (values definitions)) then first else conflict loc definitions;

  type =
    name: description: check: more:
    {
      _type = "option-type";
      inherit name description check;
      merge = same;
      empty = null;
      nestedTypes = { };
      getSubOptions = _: { };
    }
    // more;

  # All definitions of one thing: the strongest, of the right type, merged.
  settle =
    loc: type: definitions:
    let
      found = properties.strongest definitions;
      wrong = filter (definition: !type.check definition.value) found;
    in
    if wrong != [ ] then
      throw "A definition for option `${show loc}' is not of type `${type.description}'. In ${places wrong}: ${shown (head wrong).value}"
    else
      {
        is_defined = found != [ ];
        value = type.merge loc found;
      };
  shown =
    value:
    if isFunction value || isAttrs value && !(value ? outPath) then
      "a ${typeOf value}"
    else
      toJSON value;

  members =
    definitions: concatMap (definition: properties.push definition) definitions;
  names_of = sets: unique (concatMap (set: attrNames set.value) sets);
  definitions_of =
    name: sets:
    map (set: set // { value = set.value.${name}; }) (filter (set: set.value ? ${name}) sets);

  is_set = value: isAttrs value && !(value ? outPath);
in
rec {
  inherit settle;

  raw = type "raw" "raw value" (_: true) {
    merge = loc: definitions: if length definitions == 1 then (head definitions).value else conflict loc definitions;
  };
  unspecified = type "unspecified" "unspecified value" (_: true) { };
  bool = type "bool" "boolean" isBool { };
  int = type "int" "signed integer" isInt { };
  str = type "str" "string" isString { };
  singleLineStr = type "singleLineStr" "(optionally newline-terminated) single-line string" (
    value: isString value && match "[^\n]*\n?" value != null
  ) { };
  strMatching =
    pattern:
    type "strMatching" "string matching the pattern ${pattern}" (
      value: isString value && match pattern value != null
    ) { };
  lines = type "lines" "strings concatenated with \"\\n\"" isString {
    merge = _: definitions: concatStringsSep "\n" (values definitions);
  };
  path = type "path" "absolute path" (
    value: typeOf value == "path" || isAttrs value && value ? outPath || isString value && match "/.*" value != null
  ) { };
  package = type "package" "package" (value: isAttrs value && value ? outPath) { };
  port = ints.between 0 65535;
  ints = {
    between =
      low: high:
      type "intBetween" "integer between ${toString low} and ${toString high} (both inclusive)" (
        value: isInt value && value >= low && value <= high
      ) { };
    unsigned = type "unsignedInt" "unsigned integer, meaning >=0" (value: isInt value && value >= 0) { };
    positive = type "positiveInt" "positive integer, meaning >0" (value: isInt value && value > 0) { };
  };
  enum =
    words:
    type "enum" "one of ${concatStringsSep ", " (map toJSON words)}" (value: elem value words) { };

  nullOr =
    inner:
    type "nullOr" "null or ${inner.description}" (value: value == null || inner.check value) {
      merge =
        loc: definitions:
        if all (value: value == null) (values definitions) then
          null
        else if any (value: value == null) (values definitions) then
          conflict loc definitions
        else
          inner.merge loc definitions;
      nestedTypes.elemType = inner;
    };
  either =
    first: second:
    type "either" "${first.description} or ${second.description}"
      (value: first.check value || second.check value)
      {
        merge =
          loc: definitions:
          if all first.check (values definitions) then
            first.merge loc definitions
          else if all second.check (values definitions) then
            second.merge loc definitions
          else
            conflict loc definitions;
        nestedTypes.left = first;
        nestedTypes.right = second;
      };
  oneOf = types: if length types == 1 then head types else either (head types) (oneOf (tail types));

  listOf =
    inner:
    type "listOf" "list of ${inner.description}" isList {
      empty = [ ];
      nestedTypes.elemType = inner;
      merge =
        loc: definitions:
        let
          elements = concatMap (
            definition: map (value: { inherit (definition) file; inherit value; }) definition.value
          ) definitions;
          settled = genList (
            i: settle (loc ++ [ "[${toString i}]" ]) inner [ (builtins.elemAt elements i) ]
          ) (length elements);
        in
        map (element: element.value) (filter (element: element.is_defined) settled);
    };
  attrsOf = attrs_of lib.filterAttrs;
  # A member that nothing defines shows when it is used, and none is looked at before.
  lazyAttrsOf = attrs_of (_: settled: settled);
  attrs_of =
    filter: inner:
    type "attrsOf" "attribute set of ${inner.description}" is_set {
      empty = { };
      nestedTypes.elemType = inner;
      merge =
        loc: definitions:
        let
          sets = members (map (d: { inherit (d) file value; }) definitions);
          settled = genAttrs (names_of sets) (
            name: settle (loc ++ [ name ]) inner (definitions_of name sets)
          );
        in
        mapAttrs (_: member: member.value) (filter (_: member: member.is_defined) settled);
    };
  attrs = attrsOf anything;

  anything = type "anything" "anything" (_: true) {
    merge =
      loc: definitions:
      if all is_set (values definitions) then
        (attrsOf anything).merge loc definitions
      else if any isList (values definitions) && length definitions > 1 then
        conflict loc definitions
      else
        same loc definitions;
  };

  submodule =
    module:
    let
      modules = if isList module then module else [ module ];
      eval =
        loc: name: more:
        lib.evalModules {
          modules = modules ++ more;
          specialArgs = { inherit name; };
          prefix = loc;
        };
    in
    type "submodule" "submodule" (value: is_set value || isFunction value) {
      empty = { };
      getSubOptions = loc: (eval loc "<name>" [ ]).options;
      merge =
        loc: definitions:
        (eval loc (lib.last loc) (
          map (definition: {
            _file = definition.file;
            imports = [
              (if isFunction definition.value then definition.value else { config = definition.value; })
            ];
          }) definitions
        )).config;
    };
}
