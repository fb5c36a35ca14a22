{
  lib,
  stdenv,
  cmake,
  ninja,
  pkg-config,
  makeWrapper,
  boost,
  fmt,
  nettle,
  doctest,
  hwdata,
  qemu,
  swtpm,
  xorriso,
}:

stdenv.mkDerivation {
  pname = "hvlaunch";
  version = "0.1.0";

  # Only what the build reads: a changed page must not rebuild the program.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../CMakeLists.txt
      ../LICENSE
      ../README.md
      ../cmake
      ../launcher
      ../profiles
      ../qmp
      ../tests
      ../vfio
    ];
  };

  nativeBuildInputs = [
    cmake
    ninja
    pkg-config
    makeWrapper
  ];
  buildInputs = [
    boost
    fmt
    nettle
  ];
  checkInputs = [ doctest ];

  cmakeFlags = [
    # nixpkgs builds Boost as shared libraries only.
    (lib.cmakeBool "HVLAUNCH_STATIC_BOOST" false)
    (lib.cmakeBool "BUILD_TESTING" true)
    (lib.cmakeFeature "CMAKE_BUILD_TYPE" "RelWithDebInfo")
    (lib.cmakeFeature "HVLAUNCH_PCI_IDS" "${hwdata}/share/hwdata/pci.ids")
  ];

  # The integration tests boot guests, which takes long without KVM.
  doCheck = true;
  checkPhase = ''
    runHook preCheck
    ctest --output-on-failure --label-exclude integration --exclude-regex 'qmp_package|docs'
    runHook postCheck
  '';

  # Behind the user's own PATH: a QEMU of theirs comes first.
  postInstall = ''
    wrapProgram $out/bin/hvlaunch --suffix PATH : ${
      lib.makeBinPath [
        qemu
        swtpm
        xorriso
      ]
    }
  '';

  meta = {
    description = "Direct QEMU/KVM launcher: no libvirt, no daemon";
    license = lib.licenses.mit;
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
    ];
    mainProgram = "hvlaunch";
  };
}
