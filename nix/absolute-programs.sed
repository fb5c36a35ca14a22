# For systemd's units: NixOS has no folder in which systemd would look for `hvlaunch`.
s,^(Exec[A-Za-z]*=[-@:+!]*)(hvlaunch|hypervisor-menu)( |$),\1@bin@/\2\3,
