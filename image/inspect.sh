#!/bin/bash
# Whether an image is sealed, read from the image itself without a mount. usage: inspect.sh IMAGE (raw or qcow2)
set -euo pipefail

image=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $image in
*.qcow2) qemu-img convert -O raw "$image" "$work/raw" && image=$work/raw ;;
esac
read_root() { debugfs -R "$1" "$image?offset=$((66 * 1048576))" 2>/dev/null; }
names() { read_root "ls -p $1" | cut -d/ -f6 | grep -vE '^\.{0,2}$' || true; }

bad=0
check() { # what found wanted
  if [ "$2" = "$3" ]; then
    echo "ok   $1"
  else
    echo "BAD  $1: $2"
    bad=1
  fi
}
count() { grep -cE "$1" || true; }

check "no SSH host keys" "$(names /etc/ssh | count '^ssh_host_')" 0
check "machine-id is empty" "$(read_root 'cat /etc/machine-id' | wc -c)" 0
check "no other machine-id" "$(names /var/lib/dbus | count '^machine-id$')" 0
check "no random seed" "$(names /var/lib/systemd | count '^(random-seed|credential.secret)$')" 0
check "no password of anybody" "$(read_root 'cat /etc/shadow' | cut -d: -f2 | count '^[^!*]')" 0
check "no authorized keys" "$(names /root/.ssh | count .)" 0
check "no build user" "$(read_root 'cat /etc/passwd' | count '^packer:')" 0
check "no logs" "$(names /var/log | count '(\.log|^journal|^wtmp|^btmp)$')" 0
check "no package lists" "$(names /var/lib/apt/lists | count .)" 0
check "no package archives" "$(names /var/cache/apt/archives | count '\.deb$')" 0
check "no cloud-init instance" "$(names /var/lib/cloud | count '^instances?$')" 0
check "no seed taken" "$(names /var/lib/cocalc-seed | count .)" 0
hub=/var/lib/cocalc/.local/share/cocalc/launchpad
host=/var/lib/cocalc-host/.local/share/cocalc/project-host
check "no hub's database, keys or certificates" "$(names $hub | count '^(hub.sqlite|secrets|ssh|tls)')" 0
check "no host's keys, pairing or storage" "$(names $host | count .)" 0
check "nothing in /tmp" "$(names /tmp | count .)" 0
check "the base image of projects is there" "$(names $hub/images | count '^base.json$')" 1
for unit in cocalc-hub cocalc-sshd cocalc-project-host cocalc-connector cocalc-helper cocalc-storage cocalc-local-host; do
  check "$unit is enabled" "$(names /etc/systemd/system/cocalc.target.wants | count "^$unit.service\$")" 1
done
check "cocalc.target is enabled" "$(names /etc/systemd/system/multi-user.target.wants | count '^cocalc.target$')" 1
check "a host key is made at first boot" "$(names /etc/systemd/system/multi-user.target.wants | count '^cocalc-sshkeys.service$')" 1
check "security updates" "$(names /etc/apt/apt.conf.d | count '^52cocalc$')" 1
exit "$bad"
