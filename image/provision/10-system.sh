#!/bin/sh
# First provisioner, in a chroot or in a virtual machine alike: the system's own settings. /provision holds image/.
set -eu

# A base image of somebody else's lacks packages; the tree that scripts/image makes has them all.
if [ -e /provision/packages.txt ]; then
  missing=
  # shellcheck disable=SC2016,SC2013 # dpkg-query's own; words are what is wanted
  for package in $(sed 's/#.*//' /provision/packages.txt); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing="$missing $package"
  done
  if [ -n "$missing" ]; then
    apt-get update -q
    # shellcheck disable=SC2086 # a list
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
  fi
fi
cp -a /provision/files/. /
cp /provision/dpkg.cfg /etc/dpkg/dpkg.cfg.d/cocalc
chown -R root:root /etc/systemd /etc/ssh /etc/apt /etc/cloud /usr/local/libexec /boot/grub /etc/fstab
echo cocalc >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 cocalc\n::1 localhost ip6-localhost\n' >/etc/hosts
mkdir -p /boot/efi
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
[ -d /run/systemd/system ] || export SYSTEMD_OFFLINE=1
systemctl enable systemd-networkd systemd-resolved systemd-timesyncd serial-getty@ttyS0 ssh.service \
  apt-daily.timer apt-daily-upgrade.timer >/dev/null 2>&1
systemctl disable e2scrub_all.timer e2scrub_reap.service man-db.timer dpkg-db-backup.timer podman-auto-update.timer \
  podman-auto-update.service podman-restart.service podman.service podman.socket ssh.socket >/dev/null 2>&1 || true
# Its profiles are for programs of a desktop; reading them takes a slow machine longer than starting the hub.
systemctl disable apparmor.service >/dev/null 2>&1 || true
# It holds a shutdown up while an upgrade runs, and comes with one (apt-daily-upgrade.service.d): not 20 MB for ever.
systemctl disable unattended-upgrades.service netavark-dhcp-proxy.service netavark-dhcp-proxy.socket >/dev/null 2>&1 || true
systemctl mask podman-restart.service systemd-binfmt.service systemd-pstore.service >/dev/null 2>&1
# What generates units for things that no appliance has, at every boot and reload: encrypted disks, hibernation, init
# scripts, quadlets, and logins by a hypervisor's socket (a module for each of four kinds of them).
mkdir -p /etc/systemd/system-generators
for generator in systemd-ssh systemd-bless-boot systemd-cryptsetup systemd-gpt-auto systemd-hibernate-resume \
  systemd-integritysetup systemd-sysv systemd-tpm2 systemd-veritysetup podman-system; do
  ln -sf /dev/null "/etc/systemd/system-generators/$generator-generator"
done
# Modules that are loaded when they are needed.
systemctl mask modprobe@drm.service sys-kernel-config.mount >/dev/null 2>&1
# Byte code once here, not at each machine's first boot.
python3 -m compileall -q /usr/lib/python3/dist-packages/cloudinit >/dev/null 2>&1 || true
