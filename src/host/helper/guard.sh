#!/bin/sh
# guard.sh PHASE [PROHIBITED…]: run inside a project's network namespace, before anything of the project runs there.
# Phase `shut`: no way out at all, only prohibit routes. Phase `open`: slirp4netns has made tap0, so give it the
# one way out; the gateway is on-link, so that not even 10.0.2.0/24 is reachable, and DNS is a single address.
# A process of the project has no CAP_NET_ADMIN over this namespace, so it can neither remove these routes nor make
# an interface.
set -eu

prohibit() {
  for net in "$@"; do
    echo "route replace prohibit $net"
  done
}

main() {
  phase=$1
  shift
  case $phase in
  shut)
    for name in all default lo; do
      file=/proc/sys/net/ipv6/conf/$name/disable_ipv6
      [ ! -e "$file" ] || echo 1 >"$file"
    done
    # Lets ping work without rights. Not ours to set where the ids are not all mapped; then only root pings.
    echo "0 2147483647" 2>/dev/null >/proc/sys/net/ipv4/ping_group_range || :
    {
      echo "link set lo up"
      prohibit "$@"
    } | ip -batch -
    ;;
  open)
    tries=0
    until ip link show tap0 >/dev/null 2>&1; do
      tries=$((tries + 1))
      if [ "$tries" -gt 300 ]; then
        echo "slirp4netns made no tap0 within 6 s" >&2
        exit 1
      fi
      sleep 0.02
    done
    ip -batch - <<EOF
link set tap0 mtu 65520 up
addr add 10.0.2.100/32 dev tap0
route replace 10.0.2.3/32 via 10.0.2.2 dev tap0 onlink src 10.0.2.100
route replace default via 10.0.2.2 dev tap0 onlink src 10.0.2.100
EOF
    ;;
  refresh)
    prohibit "$@" | ip -batch -
    ;;
  esac
}

main "$@"
