#!/bin/sh
# Last provisioner: nothing that identifies the build, or would be the same on every machine, is left.
set -eu

# In a virtual machine the services may have run already, and made keys, records and a pool.
hub=/var/lib/cocalc/.local/share/cocalc/launchpad
host=/var/lib/cocalc-host/.local/share/cocalc
if [ -d /run/systemd/system ]; then
  systemctl stop cocalc.target 'cocalc-*.service' 2>/dev/null || true
  /usr/local/lib/cocalc/current/cocalc-project-host storage unmount --data-dir "$host" 2>/dev/null || true
fi
if mountpoint -q "$host/project-host/storage/pool"; then
  echo "error: the pool of projects is still mounted" >&2
  exit 1
fi
# The directories themselves are the units' own.
[ ! -d "$host/project-host" ] || find "$host/project-host" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
[ ! -d "$hub" ] || find "$hub" -mindepth 1 -maxdepth 1 ! -name images -exec rm -rf {} +

cloud-init clean --logs --seed >/dev/null 2>&1 || true
rm -rf /var/lib/cloud/instances /var/lib/cloud/instance /var/log/journal /run/log/journal /var/log/apt /var/log/*.log \
  /var/log/wtmp /var/log/btmp /var/log/lastlog /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb \
  /var/cache/debconf/*-old /var/lib/dpkg/*-old /tmp/* /var/tmp/* /root/.bash_history /root/.ssh \
  /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /var/lib/dbus/machine-id /var/lib/cocalc-seed
rm -f /etc/ssh/ssh_host_* /etc/sudoers.d/90-cloud-init-users /etc/passwd- /etc/shadow- /etc/group- /etc/gshadow- \
  /etc/subuid- /etc/subgid- /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
# Empty, not `uninitialized`: that would run every preset at the first boot.
: >/etc/machine-id
# A build user of Packer's, when there was one; this may be its own session.
if id packer >/dev/null 2>&1; then userdel -f -r packer >/dev/null 2>&1 || true; fi
rm -rf /provision
# Else the first boot takes the disk for one whose /usr was replaced: caches of the linker and of the journal, once more.
/usr/lib/systemd/systemd-update-done
sync
