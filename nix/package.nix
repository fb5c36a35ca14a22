{
  lib,
  stdenv,
  cmake,
  ninja,
  pkg-config,
  makeBinaryWrapper,
  bash,
  boost,
  curl,
  dialog,
  nettle,
  doctest,
  fmt,
  git,
  gnupg,
  hwdata,
  jq,
  kmod,
  libseccomp,
  libxml2,
  newt,
  pciutils,
  qemu,
  swtpm,
  util-linux,
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
      ../scripts
      ../systemd
      ../tests
      ../vfio
    ];
  };

  nativeBuildInputs = [
    cmake
    ninja
    pkg-config
    makeBinaryWrapper
  ];
  buildInputs = [
    bash
    boost
    fmt
    libseccomp
    nettle
  ];
  checkInputs = [ doctest ];

  cmakeFlags = [
    (lib.cmakeBool "BUILD_TESTING" true)
    (lib.cmakeFeature "CMAKE_BUILD_TYPE" "RelWithDebInfo")
    (lib.cmakeFeature "HVLAUNCH_PCI_IDS" "${hwdata}/share/hwdata/pci.ids")
  ];

  # The build runs some of them.
  postPatch = ''
    patchShebangs scripts
  '';

  # The integration tests boot guests, which takes long without KVM.
  doCheck = true;
  checkPhase = ''
    runHook preCheck
    ctest --output-on-failure --label-exclude integration --exclude-regex 'qmp_package|docs'
    runHook postCheck
  '';

  # Behind the user's own PATH: a QEMU of theirs comes first. The suite's scripts make
  # a PATH of their own, which is lengthened in its one place.
  postInstall = ''
    wrapProgram $out/bin/hvlaunch --suffix PATH : ${
      lib.makeBinPath [
        qemu
        swtpm
        xorriso
        kmod
      ]
    }
    sed -E -i -f <(sed "s,@bin@,$out/bin," ${./absolute-programs.sed}) $out/lib/systemd/*/*.service
    substituteInPlace $out/lib/hvlaunch/suite/lib/common.sh --replace-fail \
      ':/usr/sbin:/usr/bin:/sbin:/bin' ':/usr/sbin:/usr/bin:/sbin:/bin:${
        lib.makeBinPath [
          curl
          dialog
          git
          gnupg
          jq
          libxml2
          newt
          pciutils
          util-linux
        ]
      }'
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
