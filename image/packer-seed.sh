#!/bin/sh
# A NoCloud disk for Packer's build user. usage: packer-seed.sh OUT.iso PUBLIC_KEY_FILE
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'instance-id: packer\nlocal-hostname: cocalc\n' >"$work/meta-data"
cat >"$work/user-data" <<END
#cloud-config
users:
  - name: packer
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    shell: /bin/bash
    ssh_authorized_keys:
      - $(cat "$2")
END
genisoimage -quiet -output "$1" -volid cidata -joliet -rock "$work/user-data" "$work/meta-data"
