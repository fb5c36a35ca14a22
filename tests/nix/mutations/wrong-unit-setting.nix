# error: systemd.services.hypervisor-menu.wantedby' does not exist
{ systemd.services.hypervisor-menu.wantedby = [ "multi-user.target" ]; }
