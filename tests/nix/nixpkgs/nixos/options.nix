# The options of NixOS that the project, and what it writes on a host, may set; with
# NixOS' types. Any other is an error, as a misspelt one is there.
{
  config,
  lib,
  ...
}:
let
  inherit (lib) mkOption;
  t = lib.types;
  option = type: default: mkOption { inherit type default; };
  required = type: mkOption { inherit type; };
  texts = option (t.listOf t.str) [ ];
  text = option t.str "";
  maybe = type: option (t.nullOr type) null;
  flag = option t.bool;
  free = option (t.attrsOf t.anything) { };

  file =
    { name, ... }:
    {
      options = {
        enable = flag true;
        target = option t.str name;
        text = maybe t.lines;
        source = maybe t.path;
        mode = option t.str "symlink";
        user = text;
        group = text;
      };
    };

  unit_settings = t.attrsOf (
    t.oneOf [
      t.bool
      t.int
      t.str
      t.path
      (t.listOf t.str)
    ]
  );
  unit = {
    enable = flag true;
    description = option t.singleLineStr "";
    documentation = texts;
    after = texts;
    before = texts;
    wants = texts;
    requires = texts;
    bindsTo = texts;
    partOf = texts;
    conflicts = texts;
    onFailure = texts;
    wantedBy = texts;
    requiredBy = texts;
    aliases = texts;
    unitConfig = option unit_settings { };
    overrideStrategy = option (t.enum [
      "asDropinIfExists"
      "asDropin"
    ]) "asDropinIfExists";
  };
  service = {
    options = unit // {
      environment = option (t.attrsOf (t.nullOr (t.oneOf [ t.str t.path t.package ]))) { };
      path = option (t.listOf (t.oneOf [ t.package t.str ])) [ ];
      enableDefaultPath = flag true;
      script = option t.lines "";
      restartIfChanged = flag true;
      stopIfChanged = flag true;
      restartTriggers = option (t.listOf t.unspecified) [ ];
      serviceConfig = option unit_settings { };
    };
  };
  timer.options = unit // {
    timerConfig = option unit_settings { };
  };
  target.options = unit;

  user =
    { name, ... }:
    {
      options = {
        name = option t.str name;
        isNormalUser = flag false;
        isSystemUser = flag false;
        uid = maybe t.int;
        group = text;
        extraGroups = texts;
        description = option t.singleLineStr "";
        home = option t.path "/home/${name}";
        createHome = flag false;
        homeMode = option (t.strMatching "[0-7]{1,5}") "700";
        shell = maybe (t.either t.package t.path);
        useDefaultShell = flag false;
        hashedPassword = maybe t.str;
        hashedPasswordFile = maybe t.str;
        initialHashedPassword = maybe t.str;
        password = maybe t.str;
        linger = maybe t.bool;
        openssh.authorizedKeys.keys = option (t.listOf t.singleLineStr) [ ];
      };
    };
  group =
    { name, ... }:
    {
      options = {
        name = option t.str name;
        gid = maybe t.int;
        members = texts;
      };
    };

  address.options = {
    address = required t.str;
    prefixLength = required (t.ints.between 0 32);
  };
  swap.options = {
    device = required t.str;
    label = maybe t.str;
    size = maybe t.int;
    priority = maybe t.int;
    options = option (t.listOf t.str) [ "defaults" ];
    discardPolicy = maybe t.str;
    randomEncryption = option t.anything { };
    encrypted = free;
  };
in
{
  options = {
    assertions = option (t.listOf t.unspecified) [ ];
    warnings = texts;

    boot = {
      extraModprobeConfig = option t.lines "";
      blacklistedKernelModules = texts;
      kernel.sysctl = option (t.attrsOf (t.nullOr (t.oneOf [ t.bool t.str t.int ]))) { };
      kernelModules = texts;
      kernelParams = option (t.listOf (t.strMatching "([^\"[:space:]]|\"[^\"]*\")+")) [ ];
      resumeDevice = text;
      initrd = {
        availableKernelModules = texts;
        kernelModules = texts;
        luks.devices = free;
        services.udev.rules = option t.lines "";
        systemd.enable = flag false;
      };
      loader = {
        efi.canTouchEfiVariables = flag false;
        efi.efiSysMountPoint = option t.str "/boot";
        grub.enable = flag true;
        grub.device = text;
        grub.devices = texts;
        grub.efiSupport = flag false;
        grub.useOSProber = flag false;
        systemd-boot.enable = flag false;
        timeout = maybe t.int;
      };
    };

    console = {
      font = maybe (t.either t.str t.path);
      keyMap = option (t.either t.str t.path) "us";
      useXkbConfig = flag false;
      packages = option (t.listOf t.package) [ ];
      earlySetup = flag false;
    };
    environment = {
      etc = option (t.attrsOf (t.submodule file)) { };
      systemPackages = option (t.listOf t.package) [ ];
      variables = free;
    };
    fileSystems = free;
    hardware.enableRedistributableFirmware = flag false;
    i18n = {
      defaultLocale = option t.str "en_US.UTF-8";
      extraLocaleSettings = option (t.attrsOf t.str) { };
      extraLocales = option (t.either (t.listOf t.str) (t.enum [ "all" ])) [ ];
      supportedLocales = texts;
    };
    image = {
      fileName = text;
      baseName = text;
    };
    isoImage = {
      isoBaseName = text;
      volumeID = text;
      appendToMenuLabel = text;
      makeEfiBootable = flag false;
      makeUsbBootable = flag false;
      contents = option (t.listOf t.anything) [ ];
      storeContents = option (t.listOf t.anything) [ ];
    };

    networking = {
      hostName = option (t.strMatching "|[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?") "nixos";
      domain = maybe t.str;
      hostId = maybe t.str;
      useDHCP = flag true;
      bridges = option (t.attrsOf (t.submodule { options = { interfaces = required (t.listOf t.str); rstp = flag false; }; })) { };
      interfaces = option (t.attrsOf (t.submodule {
        options = {
          useDHCP = maybe t.bool;
          ipv4.addresses = option (t.listOf (t.submodule address)) [ ];
        };
      })) { };
      firewall.enable = flag true;
      firewall.trustedInterfaces = texts;
      nat.enable = flag false;
      nat.internalInterfaces = texts;
      nat.externalInterface = maybe t.str;
      networkmanager.enable = flag false;
    };

    nix = {
      package = option t.package config._module.args.pkgs.nix;
      settings = free;
    };
    nixpkgs = {
      hostPlatform = mkOption {
        type = t.either t.str t.attrs;
        default = "x86_64-linux";
        apply = platform: if builtins.isString platform then { system = platform; } else platform;
      };
      overlays = option (t.listOf t.unspecified) [ ];
    };

    security = {
      pam.services = free;
      sudo.execWheelOnly = flag false;
      sudo.wheelNeedsPassword = flag true;
    };
    services = {
      desktopManager.gnome.enable = flag false;
      displayManager.gdm.enable = flag false;
      getty.autologinUser = maybe t.str;
      getty.helpLine = option t.lines "";
      openssh = {
        enable = flag false;
        settings = free;
      };
      udev.extraRules = option t.lines "";
      xserver = {
        enable = flag false;
        xkb = {
          layout = option t.str "us";
          variant = text;
          options = option t.str "terminate:ctrl_alt_bksp";
          model = option t.str "pc104";
        };
      };
    };
    swapDevices = option (t.listOf (t.submodule swap)) [ ];
    virtualisation = free;
    zramSwap.enable = flag false;

    system = {
      build = option (t.lazyAttrsOf t.raw) { };
      checks = option (t.listOf t.package) [ ];
      nixos.label = option t.str "pretend";
      stateVersion = option t.str "unset";
    };
    systemd = {
      defaultUnit = option t.str "multi-user.target";
      packages = option (t.listOf t.package) [ ];
      services = option (t.attrsOf (t.submodule service)) { };
      targets = option (t.attrsOf (t.submodule target)) { };
      timers = option (t.attrsOf (t.submodule timer)) { };
      tmpfiles.packages = option (t.listOf t.package) [ ];
      tmpfiles.rules = texts;
    };
    time.timeZone = maybe t.str;
    time.hardwareClockInLocalTime = flag false;
    users = {
      groups = option (t.attrsOf (t.submodule group)) { };
      motd = option t.lines "";
      motdFile = maybe t.str;
      mutableUsers = flag true;
      users = option (t.attrsOf (t.submodule user)) { };
    };
  };
}
