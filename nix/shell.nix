{
  mkShell,
  hvlaunch,
  ccache,
  clang-tools,
  doctest,
  mandoc,
  qemu,
  shellcheck,
  socat,
}:

mkShell {
  inputsFrom = [ hvlaunch ];
  packages = [
    ccache
    clang-tools
    doctest
    mandoc
    qemu
    shellcheck
    socat
  ];
}
