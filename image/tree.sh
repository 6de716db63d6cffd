#!/bin/sh
# Makes a Debian 13 tree with the appliance's packages: the image's beginning, and what the tests of units and
# installer boot without a kernel. usage: tree.sh DIR [KERNEL_PACKAGE]     MIRROR: another mirror of Debian
set -eu

out=$1
kernel=${2:-}
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)

# The first archive with such a path among those that this machine itself installs from.
archive() {
  # shellcheck disable=SC2016 # apt's own variable
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | grep -m 1 "$1" || true
}
mirror=${MIRROR:-$(archive '/debian/*$')}
mirror=${mirror%/}
if [ -z "$mirror" ]; then
  echo "error: this machine installs from no archive of Debian: name one, MIRROR=http://…/debian" >&2
  exit 69
fi
security=${SECURITY_MIRROR:-$(archive '/debian-security/*$')}
security=${security%/}
# Archives keep the two side by side.
security=${security:-$mirror-security}

packages=$(sed 's/#.*//' "$here/packages.txt" | tr -s '\n ' ',' | sed 's/^,//; s/,$//')
set -- --mode=root --variant=minbase --format=directory --dpkgopt=force-unsafe-io --dpkgopt="$here/dpkg.cfg"
if [ -n "$kernel" ]; then
  packages=$kernel,$packages
  # A small initramfs: the drivers of virtual machines and of ordinary disks, by name.
  set -- "$@" --essential-hook="mkdir -p \"\$1/etc/initramfs-tools/conf.d\"" \
    --essential-hook="copy-in \"$here/initramfs/conf.d\" /etc/initramfs-tools" \
    --essential-hook="copy-in \"$here/initramfs/hooks\" \"$here/initramfs/scripts\" /etc/initramfs-tools"
fi
rm -rf "$out.new"
mmdebstrap "$@" --include="$packages" trixie "$out.new" \
  "deb $mirror trixie main" "deb $mirror trixie-updates main" "deb $security trixie-security main"
rm -rf "$out"
mv "$out.new" "$out"
