{
  mkShell,
  hvlaunch,
  bats,
  ccache,
  clang-tools,
  doctest,
  jq,
  mandoc,
  nixfmt,
  qemu,
  shellcheck,
  shfmt,
  socat,
  tmux,
}:

mkShell {
  inputsFrom = [ hvlaunch ];
  packages = [
    bats
    ccache
    clang-tools
    doctest
    jq
    mandoc
    nixfmt
    qemu
    shellcheck
    shfmt
    socat
    tmux
  ];
}
