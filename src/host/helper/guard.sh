#!/bin/sh
# guard.sh NETNS PHASE [PROHIBITED…]: shuts a project's network before anything runs in it.
# Phase `shut`: no way out at all, only prohibit routes. Phase `open`: slirp4netns has made tap0, so give it the
# one way out; the gateway is on-link, so that not even 10.0.2.0/24 is reachable, and DNS is a single address.
# A process inside has no CAP_NET_ADMIN in this namespace (it belongs to the machine's user namespace), so it
# can neither remove these routes nor make an interface.
set -eu

prohibit() {
  for net in "$@"; do
    echo "route replace prohibit $net"
  done
}

main() {
  ns=$1
  phase=$2
  shift 2
  case $phase in
  shut)
    # shellcheck disable=SC2016 # $f belongs to the inner shell
    ip netns exec "$ns" sh -c 'for f in all default lo; do
        f=/proc/sys/net/ipv6/conf/$f/disable_ipv6
        [ ! -e $f ] || echo 1 >$f
      done
      echo "0 2147483647" >/proc/sys/net/ipv4/ping_group_range'
    {
      echo "link set lo up"
      prohibit "$@"
    } | ip -n "$ns" -batch -
    ;;
  open)
    tries=0
    until ip -n "$ns" link show tap0 >/dev/null 2>&1; do
      tries=$((tries + 1))
      if [ "$tries" -gt 300 ]; then
        echo "slirp4netns made no tap0 within 6 s" >&2
        exit 1
      fi
      sleep 0.02
    done
    ip -n "$ns" -batch - <<EOF
link set tap0 mtu 65520 up
addr add 10.0.2.100/32 dev tap0
route replace 10.0.2.3/32 via 10.0.2.2 dev tap0 onlink src 10.0.2.100
route replace default via 10.0.2.2 dev tap0 onlink src 10.0.2.100
EOF
    ;;
  refresh)
    prohibit "$@" | ip -n "$ns" -batch -
    ;;
  esac
}

main "$@"
