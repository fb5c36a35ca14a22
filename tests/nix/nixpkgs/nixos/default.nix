# nixosSystem: the options of ./options.nix, and what is built of them.
{ self }:
{
  modules,
  specialArgs ? { },
  system ? null,
}:
let
  lib = import ../lib;
  result = lib.evalModules {
    specialArgs = specialArgs // {
      modulesPath = toString ./.;
    };
    modules = [
      ./options.nix
      ./build.nix
    ]
    ++ modules
    ++ lib.optional (system != null) { nixpkgs.hostPlatform = system; };
  };
in
{
  inherit (result) config options;
  pkgs = result.config._module.args.pkgs;
}
