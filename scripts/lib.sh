# shellcheck shell=sh
# Shared by the scripts beside it, which set `root` (the checkout) before they read this file.

# A hostile environment must not choose what Bun loads.
unset BUN_OPTIONS BUN_BE_BUN

# sysexits(3)
# shellcheck disable=SC2034 # for the scripts that read this file
{
  EX_USAGE=64
  EX_NOINPUT=66
  EX_UNAVAILABLE=69
  EX_SOFTWARE=70
}

root=${root:?set root before reading lib.sh}
bun_prefix=$root/.cache/bun

# Talk goes to stderr; results to stdout.
say() {
  printf '%s\n' "$*" >&2
}

# fail STATUS MESSAGE…
fail() {
  fail_status=$1
  shift
  say "error: $*"
  exit "$fail_status"
}

# Is there such a command? An ordinary user's PATH lacks the sbin directories.
has() {
  command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/usr/local/sbin/$1" ] || [ -x "/sbin/$1" ]
}

is_root() {
  [ "$(id -u)" -eq 0 ]
}

# root_state: "root", "sudo" (works now, no question), "ask" (sudo and a terminal to ask on) or "none".
root_state() {
  if is_root; then
    echo root
  elif ! has sudo; then
    echo none
  elif sudo -n true 2>/dev/null; then
    echo sudo
  elif [ -t 0 ] && [ -t 2 ]; then
    echo ask
  else
    echo none
  fi
}

# need_root WHY…: true when as_root will work. Asks for sudo's password once, having said what for.
need_root() {
  case $(root_state) in
  root | sudo) return 0 ;;
  ask)
    say "sudo is asked for once, for: $*"
    sudo -v
    ;;
  *) return 1 ;;
  esac
}

as_root() {
  if is_root; then
    "$@"
  else
    sudo "$@"
  fi
}

# --- Packages ---------------------------------------------------------------------------------------------------

required_packages=
optional_packages=

# need required|optional COMMAND PACKAGE WHY…: notes the package when the command is missing, and says what it is for.
need() {
  need_kind=$1
  need_command=$2
  need_package=$3
  shift 3
  if has "$need_command"; then
    return 0
  fi
  need_note "$need_kind" "$need_package" "$*"
}

# The same for a file, where a package has no command of its own.
need_file() {
  need_kind=$1
  need_path=$2
  need_package=$3
  shift 3
  if [ -e "$need_path" ]; then
    return 0
  fi
  need_note "$need_kind" "$need_package" "$*"
}

need_note() {
  case " $required_packages $optional_packages " in
  *" $2 "*) return 0 ;;
  esac
  say "missing: $2 ($1), for $3"
  if [ "$1" = required ]; then
    required_packages="$required_packages $2"
  else
    optional_packages="$optional_packages $2"
  fi
}

# need_package PACKAGE WHY…: asks dpkg instead of looking for a command.
need_package() {
  need_package_name=$1
  shift
  # shellcheck disable=SC2016 # the dollar is dpkg-query's
  if dpkg-query -W -f '${Status}' "$need_package_name" 2>/dev/null | grep -q '^install ok installed$'; then
    return 0
  fi
  need_note required "$need_package_name" "$*"
}

# The packages of the list that this distribution has; names the others.
known_packages() {
  for known_name in "$@"; do
    if apt-cache show --no-all-versions "$known_name" >/dev/null 2>&1; then
      printf '%s ' "$known_name"
    else
      say "this distribution has no package $known_name: going on without it"
    fi
  done
}

apt_command() {
  echo "apt-get install -y --no-install-recommends $*"
}

# apt_install PACKAGE…: starts no service of what it installs, and leaves the distribution's own sshd off if it
# was not there before.
apt_install() {
  as_root sh "$root/scripts/lib-packages.sh" "$@"
}

# What hub and host are made of on this machine. Without the optional ones projects cannot start, or start slower.
need_programs() {
  need required sshd openssh-server "the tunnels of machines that join (the distribution's own sshd stays off)"
  need required ssh-keygen openssh-client "keys, and the tunnel from a host to the hub"
  need_file required /usr/lib/openssh/sftp-server openssh-sftp-server "backups over SFTP"
  need required ip iproute2 "the network of projects"
  need required setpriv util-linux "services that run as users of their own"
  need required useradd passwd "those users"
  need required openssl openssl "the hub's certificates"
  need optional podman podman "the containers that projects run in"
  need optional newuidmap uidmap "user ids of their own for projects"
  need optional mmdebstrap mmdebstrap "making the base image of projects"
  need optional slirp4netns slirp4netns "the way from projects to the internet"
  need optional fuse-overlayfs fuse-overlayfs "containers without root"
  need optional zstd zstd "packing images"
  need optional mkfs.btrfs btrfs-progs "snapshots and disk limits of projects"
  need optional bwrap bubblewrap "the jail that backups over SFTP end in, and the one that they are made in"
  if [ "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)" = cgroup2fs ]; then
    has runc || need optional crun crun "starting containers"
  else
    need optional runc runc "starting containers where there is cgroup v1"
  fi
}

# install_missing yes|no: installs what need noted. Without root, goes on if only optional ones lack; else exits 69.
install_missing() {
  # shellcheck disable=SC2086 # lists of package names
  set -- "$1" $required_packages $optional_packages
  install_wanted=$1
  shift
  [ $# -gt 0 ] || return 0
  if [ "$install_wanted" = yes ] && has apt-get && need_root "installing the packages $*"; then
    if apt_install "$@"; then
      required_packages=
      optional_packages=
      return 0
    fi
    say "the packages could not all be installed"
  fi
  if [ -n "$required_packages" ]; then
    install_sudo="sudo "
    is_root && install_sudo=
    say "To add what is missing, run:"
    say "  $install_sudo$(apt_command "$@")"
    exit "$EX_UNAVAILABLE"
  fi
  say "going on without:$optional_packages. \`cocalc-hub doctor\` says what that means; to add them: $(apt_command "$@")"
}

# give_id_range yes|no: containers of an ordinary user need a range of user ids.
give_id_range() {
  range_wanted=$1
  is_root && return 0
  has podman || return 0
  range_user=$(id -un)
  grep -qs "^$range_user:" /etc/subuid && grep -qs "^$range_user:" /etc/subgid && return 0
  # The first free range above all that are given.
  range_first=$(cat /etc/subuid /etc/subgid 2>/dev/null |
    awk -F: 'BEGIN { top = 100000 } $2 + $3 > top { top = $2 + $3 } END { print top }')
  set -- usermod --add-subuids "$range_first-$((range_first + 65535))" \
    --add-subgids "$range_first-$((range_first + 65535))" "$range_user"
  if [ "$range_wanted" = yes ] && need_root "a range of user ids for containers"; then
    say "giving $range_user a range of user ids, for containers"
    as_root "$@" && return 0
  fi
  say "projects cannot start before this user has a range of user ids. Run: sudo $*"
}

# --- Bun --------------------------------------------------------------------------------------------------------

bun_pin() {
  sed -n 's/.*"packageManager": *"bun@\([0-9][0-9A-Za-z.+-]*\)".*/\1/p' "$root/package.json"
}

product_version() {
  sed -n 's/^  "version": *"\([^"]*\)".*/\1/p' "$root/package.json"
}

# Prints the path of a Bun at the pinned version, or fails.
find_bun() {
  find_pin=$(bun_pin)
  for find_path in "$(command -v bun 2>/dev/null)" "$bun_prefix/bin/bun" "${HOME:-/nonexistent}/.bun/bin/bun"; do
    if [ -x "$find_path" ] && [ "$("$find_path" --version 2>/dev/null)" = "$find_pin" ]; then
      echo "$find_path"
      return 0
    fi
  done
  return 1
}

# Bun is built for processors from about 2009 on; a VM often hides what its host has.
check_cpu() {
  if [ "$(uname -m)" != x86_64 ] || [ ! -r /proc/cpuinfo ]; then
    return 0
  fi
  for cpu_flag in sse4_2 popcnt ssse3; do
    grep -qw "$cpu_flag" /proc/cpuinfo && continue
    fail "$EX_UNAVAILABLE" "this processor lacks $cpu_flag (x86-64-v2 is needed). In a VM: set the CPU type to \"host\"."
  done
}

# Puts the pinned Bun below .cache/bun of this checkout, so that nothing else on the machine changes.
install_bun() {
  install_pin=$(bun_pin)
  say "installing Bun $install_pin, which builds and tests everything, into .cache/bun"
  mkdir -p "$bun_prefix"
  if has npm; then
    bun_by_npm && return 0
    say "npm could not install Bun; trying Bun's own installer"
  fi
  bun_by_installer && return 0
  if ! has npm && has apt-get && need_root "the distribution's npm, to install Bun with"; then
    say "Bun's installer did not work; installing npm from the distribution"
    apt_install npm && bun_by_npm && return 0
  fi
  return 1
}

bun_by_npm() {
  npm install --global --no-audit --no-fund --loglevel=error --prefix "$bun_prefix" "bun@$(bun_pin)" >&2 &&
    find_bun >/dev/null
}

bun_by_installer() {
  has curl && has unzip && has bash || return 1
  installer=$(mktemp) || return 1
  # With SHELL=/bin/sh it leaves the person's shell profile alone.
  if curl -fsSL --connect-timeout 10 --max-time 60 -o "$installer" https://bun.sh/install; then
    BUN_INSTALL=$bun_prefix SHELL=/bin/sh timeout 240 bash "$installer" "bun-v$(bun_pin)" >&2 || true
  fi
  rm -f "$installer"
  find_bun >/dev/null
}

# Sets `bun`, and puts it first in PATH. `ensure_bun no` never installs.
ensure_bun() {
  check_cpu
  if ! bun=$(find_bun); then
    [ "${1:-yes}" = no ] &&
      fail "$EX_UNAVAILABLE" "Bun $(bun_pin) is not there. Run: npm install --global bun@$(bun_pin)"
    install_bun || fail "$EX_UNAVAILABLE" "Bun $(bun_pin) could not be installed. Run: npm install --global bun@$(bun_pin)"
    bun=$(find_bun)
  fi
  PATH=$(dirname "$bun"):$PATH
  export PATH
}

# Installs the packages of bun.lock when they are not those already there. `ensure_modules no` never installs.
ensure_modules() {
  modules_stamp=$root/node_modules/.cocalc-lock
  modules_hash=$(cat "$root/bun.lock" "$root/package.json" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$modules_stamp" 2>/dev/null)" = "$modules_hash" ] && return 0
  if [ "${1:-yes}" = no ]; then
    [ -d "$root/node_modules" ] && return 0
    fail "$EX_UNAVAILABLE" "node_modules is not there. Run: bun install --frozen-lockfile"
  fi
  say "installing the JavaScript packages of bun.lock, which hub and UI are built from"
  (cd "$root" && "$bun" install --frozen-lockfile >&2) ||
    fail "$EX_UNAVAILABLE" "bun install --frozen-lockfile did not work; is there a way to the package registry?"
  echo "$modules_hash" >"$modules_stamp"
}

# Hash over names and contents of all files below the given paths that exist; tests do not count.
hash_of() {
  (
    cd "$root" || exit 1
    for hash_path in "$@"; do
      shift
      [ -e "$hash_path" ] && set -- "$@" "$hash_path"
    done
    [ $# -gt 0 ] || exit 0
    find "$@" -type f ! -name '*.test.ts' ! -name '*.test.tsx' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  ) | sha256sum | cut -d' ' -f1
}
