# Packages that are derivations of nothing. Those that this project uses are listed: a
# name that is not is an error.
{
  system,
  overlays ? [ ],
}:
let
  lib = import ./lib;
  names = [
    "bash"
    "bats"
    "boost"
    "ccache"
    "clang-tools"
    "cmake"
    "coreutils"
    "curl"
    "dialog"
    "doctest"
    "fmt"
    "git"
    "gnupg"
    "hwdata"
    "jq"
    "kmod"
    "libseccomp"
    "libxml2"
    "makeBinaryWrapper"
    "mandoc"
    "newt"
    "ninja"
    "nix"
    "nixfmt"
    "pciutils"
    "pkg-config"
    "qemu"
    "shellcheck"
    "shfmt"
    "socat"
    "swtpm"
    "systemd"
    "tmux"
    "util-linux"
    "xorriso"
  ];

  # Only `out` and what a derivation is asked for by tests.
  build =
    name: command: more:
    derivation {
      inherit name system;
      builder = "/bin/sh";
      args = [
        "-c"
        command
      ];
    }
    // {
      buildCommand = command;
      meta = { };
    }
    // more;
  simple = name: build name "echo > $out" { meta.mainProgram = name; };

  # As nixpkgs' callPackage: arguments by name, and an unknown one is an error.
  call =
    self: function: more:
    let
      make = if builtins.isFunction function then function else import function;
    in
    make (
      builtins.mapAttrs (
        name: has_default:
        more.${name} or (self.${name} or (throw "callPackage: there is no package `${name}'"))
      ) (lib.filterAttrs (name: optional: !optional || self ? ${name} || more ? ${name}) (builtins.functionArgs make))
    );

  base =
    self:
    lib.genAttrs names simple
    // {
      inherit lib system;
      callPackage = call self;
      stdenv = {
        hostPlatform = {
          inherit system;
        };
        mkDerivation =
          package:
          build "${package.pname}-${package.version}" (package.postInstall or "") { inherit package; meta = package.meta or { }; };
      };
      mkShell = shell: build "shell" (toString (shell.packages ++ shell.inputsFrom)) { };
      runCommand =
        name: environment: command:
        build name command environment;
      writeText = name: text: build name "echo > $out" { inherit text; };
      # The packages of a node are given, and no module may change them.
      testers.runNixOSTest =
        file:
        let
          test = import file;
          node =
            module:
            (import ./nixos { self = null; } {
              modules = [
                module
                { _module.args.pkgs = self; }
              ];
            }).config;
          toplevel =
            config:
            if config.nixpkgs.overlays == [ ] then
              config.system.build.toplevel
            else
              throw "nixpkgs.overlays is set to read-only";
        in
        build "vm-test-${test.name}" (
          test.testScript + toString (map (module: toplevel (node module)) (builtins.attrValues test.nodes))
        ) { };
    };
  fix =
    f:
    let
      self = f self;
    in
    self;
in
fix (
  builtins.foldl' (
    packages: overlay: self:
    let
      before = packages self;
    in
    before // overlay self before
  ) base overlays
)
