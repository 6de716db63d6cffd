#!/bin/sh
# Makes this machine a project host of the hub that served this script. The join token comes on standard input or in
# COCALC_JOIN_TOKEN, never as an argument. Nothing is changed until every preflight line is green.
# usage: sh join.sh [--data-dir DIR] [--base-port N] [--foreground] [--check]
# shellcheck disable=SC2015 # `line` never fails, so A && B || C is an if
set -eu

PIN='@PIN@'
VERSION='@VERSION@'
PROGRAM=cocalc-project-host

say() { printf '%s\n' "$*" >&2; }
fail() {
  say "error: $1"
  [ -z "${2:-}" ] || say "  fix: $2"
  exit "${3:-69}"
}

red=0
line() { # ok|bad name value fix
  if [ "$1" = ok ]; then
    say "  ok   $2: $3"
  else
    say "  BAD  $2: $3"
    say "       fix: $4"
    red=1
  fi
}

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

token_field() { # number or string field of the token's JSON
  printf '%s' "$body" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p"
}

decode() {
  clean=$(printf '%s' "$token" | tr -d ' \t\r\n')
  case $clean in
  lpj_*.*) ;;
  *) fail "the join token cannot be read" "Copy the whole line again from the hub: Hosts, Add a machine." 65 ;;
  esac
  body=$(printf '%s' "$clean" | sed 's/^lpj_//; s/\..*$//' | tr '_-' '/+')
  while [ $((${#body} % 4)) -ne 0 ]; do body="$body="; done
  body=$(printf '%s' "$body" | base64 -d 2>/dev/null) ||
    fail "the join token cannot be read" "Copy the whole line again from the hub: Hosts, Add a machine." 65
  https_port=$(token_field https_port)
  addresses=$(printf '%s' "$body" | sed -n 's/.*"addresses":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' ' ')
  expires=$(token_field exp)
}

packages() {
  missing=
  have podman || missing="$missing podman"
  have runc || have crun || missing="$missing runc"
  have ssh || missing="$missing openssh-client"
  have ip || missing="$missing iproute2"
  have nft || missing="$missing nftables"
  have zstd || missing="$missing zstd"
  have slirp4netns || missing="$missing slirp4netns"
  have fuse-overlayfs || missing="$missing fuse-overlayfs"
  have newuidmap || missing="$missing uidmap"
}

existing_parent() {
  dir=$1
  while [ ! -d "$dir" ]; do dir=$(dirname "$dir"); done
  printf '%s' "$dir"
}

listening() { # port: whether something listens on it, by the kernel's own table (0A is LISTEN)
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port {found = 1} END {exit !found}'
}

running() { # whether this data dir's project host runs already: then its port is its own
  "$1" status --json ${data_dir:+--data-dir "$data_dir"} 2>/dev/null | grep -q '"running": *true'
}

preflight() {
  say "checking this machine (nothing is changed yet):"
  system=$(uname -s)
  release=$(uname -r)
  if [ "$system" != Linux ]; then
    line bad system "$system" "Use a Linux machine."
  elif [ "${release%%.*}" -lt 5 ]; then
    line bad system "Linux $release" "Use a kernel of 5.4 or later, as Debian 11 and Ubuntu 20.04 have."
  else
    line ok system "Linux $release"
  fi
  case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch= ;;
  esac
  [ -n "$arch" ] && line ok processor "$(uname -m)" || line bad processor "$(uname -m)" "Use an x86-64 or arm64 machine."
  if [ "$arch" = x64 ]; then
    if grep -qw sse4_2 /proc/cpuinfo && grep -qw popcnt /proc/cpuinfo; then
      line ok "x86-64-v2" yes
    else
      line bad "x86-64-v2" no "Set the virtual machine's CPU type to host."
    fi
  fi
  free=$(df -Pk "$(existing_parent "${data_dir:-/var/lib}")" 2>/dev/null | awk 'NR==2 {print int($4 / 1048576)}')
  [ "${free:-0}" -ge 2 ] && line ok disk "$free GiB free" || line bad disk "${free:-0} GiB free" "Free at least 2 GiB, or choose another --data-dir."
  now=$(date +%s)
  [ "$now" -lt "$expires" ] && line ok clock "$(date -u +%FT%TZ)" || line bad clock "the token ended at $expires, it is $now here" "Correct this machine's clock (timedatectl set-ntp true), or make a new token."
  port=$((${base_port:-9200} - 198))
  if listening "$port" && ! { [ -x "$bin_dir/$PROGRAM" ] && running "$bin_dir/$PROGRAM"; }; then
    line bad port "$port is in use" "Stop what listens there, or choose another --base-port."
  else
    line ok port "$port is free"
  fi
  if [ "$(id -u)" = 0 ]; then
    line ok rights root
  else
    line ok rights "$(id -un), without sudo: projects get weaker limits"
  fi
  packages
  if [ -z "$missing" ]; then
    line ok programs "all there"
  elif have apt-get && [ "$(id -u)" = 0 ]; then
    line ok programs "will install:$missing"
  else
    line bad programs "missing:$missing" "sudo apt-get install -y$missing"
  fi
  reach
  [ "$red" = 0 ] || fail "this machine is not ready; nothing was changed" "See the fixes above, then run the same line again."
}

fetch() { curl -fsSLk --connect-timeout 5 --pinnedpubkey "sha256//$PIN" "$@"; }

reach() {
  hub=
  for address in $addresses; do
    case $address in *:*) address="[$address]" ;; esac
    if fetch -o /dev/null "https://$address:$https_port/ca.pem" 2>/dev/null; then
      hub="https://$address:$https_port"
      break
    fi
  done
  [ -n "$hub" ] && line ok hub "$hub" || line bad hub "none answers with the right key: $addresses (port $https_port)" "Open that port on the hub's firewall, or set public_host there."
}

install_programs() {
  [ -n "$missing" ] || return 0
  say "installing:$missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of package names
  apt-get -qq -o DPkg::Lock::Timeout=300 update >&2 && apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing >&2 ||
    fail "the packages could not be installed" "apt-get install -y$missing"
}

install_binary() {
  mkdir -p "$bin_dir"
  chmod 755 "$bin_dir"
  binary="$bin_dir/$PROGRAM"
  want=$(fetch "$hub/artifacts/$arch/cocalc-project-host.sha256") || fail "the hub has no program for $arch machines"
  if [ -f "$binary" ] && [ "$(sha256sum "$binary" | cut -d' ' -f1)" = "$want" ]; then
    say "the program is there already"
    return 0
  fi
  say "fetching the program from $hub"
  fetch -o "$binary.part" "$hub/artifacts/$arch/cocalc-project-host" || fail "the program could not be fetched" "Run the same line again."
  [ "$(sha256sum "$binary.part" | cut -d' ' -f1)" = "$want" ] || fail "the program came damaged" "Run the same line again."
  chmod 755 "$binary.part"
  mv "$binary.part" "$binary"
}

start() {
  if running "$binary"; then
    say "it runs here already and takes the new pairing over"
    wait_for_tunnel
    return 0
  fi
  set -- up
  [ -z "$data_dir" ] || set -- "$@" --data-dir "$data_dir"
  [ -z "$base_port" ] || set -- "$@" --base-port "$base_port"
  if [ "$foreground" = 1 ]; then
    exec env -i PATH="$PATH" HOME="${HOME:-/}" "$binary" "$@"
  fi
  log="$bin_dir/project-host.log"
  setsid env -i PATH="$PATH" HOME="${HOME:-/}" "$binary" "$@" >>"$log" 2>&1 </dev/null &
  wait_for_tunnel
  say "It does not survive a reboot yet: put this line into your start-up:"
  say "  $binary $*"
}

wait_for_tunnel() {
  say "waiting for the tunnel to $hub"
  tries=0
  while [ "$tries" -lt 60 ]; do
    status=$("$binary" status ${data_dir:+--data-dir "$data_dir"} 2>/dev/null || true)
    if printf '%s\n' "$status" | grep -Eq '^tunnel +(up|none)$'; then
      say "this machine is a host of $hub now"
      return 0
    fi
    tries=$((tries + 1))
    sleep 1
  done
  printf '%s\n' "$status" >&2
  [ -z "${log:-}" ] || tail -n 5 "$log" >&2
  fail "the tunnel did not come up within a minute" "See the problem above and the hub's page of this host; it goes on trying${log:+; its log is $log}."
}

main() {
  data_dir='' base_port='' foreground=0 check=0
  while [ $# -gt 0 ]; do
    case $1 in
    --data-dir) data_dir=${2:?} && shift 2 ;;
    --base-port) base_port=${2:?} && shift 2 ;;
    --foreground) foreground=1 && shift ;;
    --check) check=1 && shift ;;
    *) fail "unknown option $1" "sh join.sh [--data-dir DIR] [--base-port N] [--foreground] [--check]" 64 ;;
    esac
  done
  token=${COCALC_JOIN_TOKEN:-}
  [ -n "$token" ] || token=$(cat)
  if [ "$(id -u)" != 0 ] && have sudo; then
    say "root is needed (packages, containers with user ids of their own): asking sudo"
    set -- ${data_dir:+--data-dir "$data_dir"} ${base_port:+--base-port "$base_port"}
    [ "$foreground" = 0 ] || set -- "$@" --foreground
    [ "$check" = 0 ] || set -- "$@" --check
    printf '%s' "$token" | sudo sh "$0" "$@"
    exit $?
  fi
  have curl || fail "curl is not installed" "apt-get install -y curl"
  decode
  say "CoCalc project host $VERSION"
  if [ -n "$data_dir" ]; then
    bin_dir=$data_dir/bin
  elif [ "$(id -u)" = 0 ]; then
    bin_dir=/opt/cocalc/bin
  else
    bin_dir=$HOME/.local/share/cocalc/bin
  fi
  preflight
  [ "$check" = 0 ] || exit 0
  install_programs
  install_binary
  set -- join --token-stdin
  [ -z "$data_dir" ] || set -- "$@" --data-dir "$data_dir"
  printf '%s' "$token" | "$binary" "$@" || exit $?
  start
}

main "$@"
