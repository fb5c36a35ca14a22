{
  description = "a pretend nixpkgs, for tests";
  outputs =
    { self }:
    {
      lib = import ./lib // {
        nixosSystem = import ./nixos { inherit self; };
      };
    };
}
