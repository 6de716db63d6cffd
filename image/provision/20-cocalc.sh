#!/bin/sh
# Second provisioner: the release in /provision/release, by its own installer, and the base image of projects.
set -eu

sh /provision/release/install.sh --chroot --offline /provision/release
images=/var/lib/cocalc/.local/share/cocalc/launchpad/images
if [ -d /provision/base-image ]; then
  mkdir -p "$images"
  cp /provision/base-image/* "$images/"
  chown -R cocalc: "$images"
  chmod 0700 "$images"
fi
[ -d /run/systemd/system ] || export SYSTEMD_OFFLINE=1
systemctl enable cocalc-grow cocalc-sshkeys cocalc-seed cocalc-seed-cloud cocalc-join cocalc-console >/dev/null 2>&1
