# What modules mean, in small: the pretend lib and the real one must agree.
#   nix-instantiate --eval --strict --json tests/nix/semantics.nix --arg lib 'import ./tests/nix/nixpkgs/lib'
{ lib }:
let
  inherit (lib) mkOption types;
  option = type: mkOption { inherit type; };
  options = {
    word = option types.str;
    words = option (types.listOf types.str);
    text = option types.lines;
    maybe = option (types.nullOr types.int);
    either = option (types.either types.int (types.listOf types.int));
    free = option (types.attrsOf types.anything);
    deep.flag = mkOption {
      type = types.bool;
      default = true;
    };
    members = option (
      types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            options.name = mkOption {
              type = types.str;
              default = name;
            };
            options.size = mkOption {
              type = types.ints.between 0 9;
              default = 1;
              apply = size: size * 10;
            };
          }
        )
      )
    );
  };
  eval = modules: (lib.evalModules { modules = [ { inherit options; } ] ++ modules; }).config;
  fails =
    path: modules:
    !(builtins.tryEval (builtins.deepSeq (path (eval modules)) null)).success;
in
{
  default_is_weakest =
    (eval [
      { word = lib.mkDefault "default"; }
      { word = "plain"; }
    ]).word;
  between_default_and_plain =
    (eval [
      { word = lib.mkDefault "default"; }
      { word = lib.mkOverride 900 "found"; }
    ]).word;
  force_is_strongest =
    (eval [
      { word = "plain"; }
      { word = lib.mkForce "forced"; }
    ]).word;
  same_twice =
    (eval [
      { word = "same"; }
      { word = "same"; }
    ]).word;
  condition_around_a_set = (eval [ (lib.mkIf true { word = "yes"; }) ]).word;
  condition_on_itself =
    (eval [
      ({ config, ... }: { words = lib.mkIf config.deep.flag [ "flag" ]; })
      { words = [ "plain" ]; }
    ]).words;
  lists_add_up =
    builtins.sort builtins.lessThan
      (eval [
        { words = [ "a" ]; }
        { words = [ "b" ]; }
      ]).words;
  order =
    (eval [
      { words = lib.mkAfter [ "last" ]; }
      { words = [ "middle" ]; }
      { words = lib.mkBefore [ "first" ]; }
    ]).words;
  later_modules_first =
    (eval [
      { words = [ "a" ]; }
      { words = [ "b" ]; }
    ]).words;
  imports_and_their_importer =
    (eval [
      {
        imports = [ { words = [ "imported" ]; } ];
        words = [ "importing" ];
      }
    ]).words;
  override_of_a_set = (eval [ (lib.mkOverride 900 { deep.flag = false; }) ]).deep.flag;
  merge_in_a_list =
    (eval [
      {
        words = lib.mkMerge [
          [ "a" ]
          (lib.mkIf false [ "b" ])
          [ "c" ]
        ];
      }
    ]).words;
  conditional_element = (eval [ { words = [ "a" (lib.mkIf false "b") ]; } ]).words;
  text =
    (eval [
      { text = "first"; }
      { text = lib.mkAfter "second"; }
    ]).text;
  submodule =
    (eval [
      { members.a.size = 2; }
      { members.a.name = "A"; }
      { members.b = { }; }
    ]).members;
  undefined_member = (eval [ { free = lib.mkMerge [ { a = lib.mkIf false 1; } { b.c = 2; } { b.d = 3; } ]; } ]).free;
  either = (eval [ { either = [ 1 2 ]; } ]).either;
  null = (eval [ { maybe = null; } ]).maybe;
  failures = {
    conflict = fails (c: c.word) [
      { word = "a"; }
      { word = "b"; }
    ];
    two_defaults = fails (c: c.word) [
      { word = lib.mkDefault "a"; }
      { word = lib.mkDefault "b"; }
    ];
    type = fails (c: c.word) [ { word = 1; } ];
    element = fails (c: c.words) [ { words = [ 1 ]; } ];
    range = fails (c: c.members) [ { members.a.size = 10; } ];
    unknown = fails (c: c.word) [ { word = "a"; wrod = "b"; } ];
    unknown_behind_a_condition = fails (c: c.word) [ { word = "a"; wrod = lib.mkIf false "b"; } ];
    unknown_member = fails (c: c.members) [ { members.a.sise = 1; } ];
    undefined = fails (c: c.word) [ ];
    null_and_value = fails (c: c.maybe) [
      { maybe = null; }
      { maybe = 1; }
    ];
    two_lists_in_anything = fails (c: c.free) [
      { free.a = [ 1 ]; }
      { free.a = [ 2 ]; }
    ];
  };
}
