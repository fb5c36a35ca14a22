# error: hypervisor.updateChecker.schedule' is not of type
{ lib, ... }: { hypervisor.updateChecker.schedule = lib.mkOverride 10 "weekly\nPersistent=no"; }
