#!/bin/sh
# As root: installs the named packages without starting any service of theirs.
set -eu

export DEBIAN_FRONTEND=noninteractive
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
policy=/usr/sbin/policy-rc.d
ours=no
had_sshd=no
command -v sshd >/dev/null 2>&1 && had_sshd=yes

done_with_policy() {
  [ "$ours" = no ] || rm -f "$policy"
  ours=no
}
trap done_with_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ ! -e "$policy" ]; then
  ours=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 0755 "$policy"
fi

apt-get update -q -o DPkg::Lock::Timeout=120 >&2 || echo "apt-get update did not work; trying with the lists there are" >&2
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 -- "$@" >&2

# The hub runs an sshd of its own, as its own user; the distribution's stays off unless it was there before.
if [ "$had_sshd" = no ] && command -v sshd >/dev/null 2>&1 && command -v systemctl >/dev/null 2>&1; then
  systemctl disable ssh.service ssh.socket >/dev/null 2>&1 || true
fi
