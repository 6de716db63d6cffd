#!/bin/sh
# Installs CoCalc Launchpad: a hub with this machine as its first project host, or, with --join (implied when a hub
# serves this script), a project host of that hub. Everything is in functions and `main` is called on the last line,
# so that a download that was cut off runs nothing. See --help.
# shellcheck disable=SC2015 # the functions after && never fail, so A && B || C is an if
set -eu

# Filled in by whoever serves this script: a hub (PIN), or a release (RELEASE_URL). RELEASE_KEY: public half of the key
# that signs a release, as `ssh-ed25519 AAAA…`.
PIN=''
RELEASE_URL=''
RELEASE_KEY=''

LIB=/usr/local/lib/cocalc
UNITS=/etc/systemd/system
SIGNER=cocalc-release
RUSTIC=0.11.4
HEALTHY_SECONDS=60
# 1024 projects of 65,536 ids each; the helper takes them from here, and useradd no longer gives them to people.
IDS_FIRST=200000
IDS_COUNT=67108864

usage() {
  cat <<'END'
Usage: sh install.sh [options]          makes this machine a hub and its first project host
       sh install.sh --join [options]   makes it a project host of a hub; the join token comes in COCALC_JOIN_TOKEN
                                        or on standard input, never as an argument

  --product P        plus, launchpad (default) or rocket
  --base-port N      first port (9200): HTTPS N, sshd N+1, apps N+2, doors of this machine N+3 and N+4, of others N+5
  --public-host H    name or address by which people reach the hub
  --user U           run the hub (with --join: the project host) as this existing user instead of one of its own
  --data-dir D       where state lives, instead of ~/.local/share/cocalc of the service's user
  --version V        which release (default: the one this script belongs to)
  --offline DIR      take everything from an unpacked release, or its .tar.gz, instead of the network
  --check            only look whether this machine is ready
  --dry-run          look, and say what would be done
  --foreground       with --join, where there is no systemd: run in the foreground
  --replace          with --join: it is a host of another hub, and is to leave that one; its projects stay, stopped
  --from-hub         on a project host: the version that its hub has, through the tunnel and checked by the hub's CA
  --rollback         back to the version before the last upgrade
  --uninstall        remove what this script made; data and users stay
  --purge            with --uninstall: remove data and users too
END
}

say() { printf '%s\n' "$*" >&2; }
fail() { # what [fix] [status]
  say "error: $1"
  [ -z "${2:-}" ] || say "  fix: $2"
  exit "${3:-69}"
}
step() { say "[$1] $2"; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }
is_hub() { [ "$join" = 0 ]; }
booted() { [ -d /run/systemd/system ]; }
hash_of() { sha256sum "$1" | cut -d' ' -f1; }

# --- Preflight: reads, never changes ---------------------------------------------------------------------------------

red=0
line() { # ok|note|BAD name value [fix]
  printf '  %-4s %s: %s\n' "$1" "$2" "$3" >&2
  [ "$1" = ok ] || [ -z "${4:-}" ] || say "       fix: $4"
  [ "$1" != BAD ] || red=1
}

token_field() { # number or string field of the token's JSON
  printf '%s' "$body" | sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\)\"\{0,1\}.*/\1/p"
}

decode() {
  clean=$(printf '%s' "$token" | tr -d ' \t\r\n')
  again="Copy the whole line again from the hub: Hosts, Add a machine."
  case $clean in
  lpj_*.*) ;;
  *) fail "the join token cannot be read" "$again" 65 ;;
  esac
  body=$(printf '%s' "$clean" | sed 's/^lpj_//; s/\..*$//' | tr '_-' '/+')
  while [ $((${#body} % 4)) -ne 0 ]; do body="$body="; done
  body=$(printf '%s' "$body" | base64 -d 2>/dev/null) || fail "the join token cannot be read" "$again" 65
  https_port=$(token_field https_port)
  addresses=$(printf '%s' "$body" | sed -n 's/.*"addresses":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' ' ')
  expires=$(token_field exp)
  issued=$(token_field iat)
  [ -n "$PIN" ] || PIN=$(token_field tls_pin)
}

# need COMMAND PACKAGE: notes a package whose command is missing.
need() { have "$1" || missing="$missing $2"; }
packages() {
  missing=
  need podman podman
  if [ -e /sys/fs/cgroup/cgroup.controllers ] || [ -n "$chroot" ]; then have runc || need crun crun; else need runc runc; fi
  need ssh openssh-client
  need ip iproute2
  need nft nftables
  need zstd zstd
  need slirp4netns slirp4netns
  need fuse-overlayfs fuse-overlayfs
  need newuidmap uidmap
  need mkfs.btrfs btrfs-progs
  need setpriv util-linux
  need curl curl
  if is_hub; then
    need sshd openssh-server
    [ -e /usr/lib/openssh/sftp-server ] || missing="$missing openssh-sftp-server"
    need openssl openssl
    need mmdebstrap mmdebstrap
    need bwrap bubblewrap
  fi
}

existing_parent() {
  parent=$1
  while [ ! -d "$parent" ]; do parent=$(dirname "$parent"); done
  printf '%s' "$parent"
}

listening() { # port: whether something listens on it, by the kernel's own table (0A is LISTEN)
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port {found = 1} END {exit !found}'
}

ours() { # whether our own services run here already: then the ports are theirs
  if booted && systemctl -q is-active cocalc-hub.service cocalc-project-host.service 2>/dev/null; then return 0; fi
  [ -x "$host_root/bin/current/cocalc-project-host" ] &&
    "$host_root/bin/current/cocalc-project-host" status --json --data-dir "$host_root" 2>/dev/null | grep -q '"running": *true'
}

check_ports() {
  [ -z "$chroot" ] || return 0
  wanted=$((base_port - 198))
  ! is_hub || wanted="$wanted $base_port $((base_port + 1)) $((base_port + 2)) $((base_port + 3)) $((base_port + 4)) $((base_port + 5))"
  taken=
  for port in $wanted; do ! listening "$port" || taken="$taken $port"; done
  if [ -z "$taken" ]; then
    line ok port "$(echo "$wanted" | tr ' ' ',') is free"
  elif ours; then
    line ok port "$(echo "$wanted" | tr ' ' ','), held by what is installed here"
  else
    line BAD port "${taken# } is in use" "Stop what listens there, or choose another --base-port."
  fi
}

check_programs() {
  packages
  if [ -z "$missing" ]; then
    line ok programs "all there"
  elif have apt-get && [ "$(id -u)" = 0 ]; then
    line ok programs "will install:$missing"
  elif have apt-get; then
    line BAD programs "missing:$missing" "sudo apt-get install -y$missing"
  else
    line BAD programs "missing:$missing" "Install them with this system's package manager."
  fi
  # A program that is there may still be too old.
  if have ssh; then
    version=$(ssh -V 2>&1 | sed -n 's/^OpenSSH_\([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
    # shellcheck disable=SC2086 # two numbers
    set -- ${version:-0 0}
    [ "$1" -gt 8 ] || { [ "$1" = 8 ] && [ "$2" -ge 4 ]; } && line ok OpenSSH "$1.$2" ||
      line BAD OpenSSH "$1.$2" "Use OpenSSH 8.4 or later, as Debian 11 and Ubuntu 22.04 have."
  fi
  if have podman; then
    version=$(podman --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
    [ "${version:-0}" -ge 3 ] && line ok podman "$(podman --version | sed 's/.* //')" ||
      line BAD podman "${version:-unknown}" "Use podman 3.4 or later."
  fi
}

check_system() {
  system=$(uname -s)
  release=$(uname -r)
  if [ "$system" != Linux ]; then
    line BAD system "$system" "Use a Linux machine."
    fail "this machine is not ready; nothing was changed"
  fi
  name=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)
  if ldd --version 2>&1 | grep -qi musl; then
    line BAD system "$name" "The programs need glibc: use Debian, Ubuntu or another distribution with it."
  else
    line ok system "${name:-unknown}"
  fi
  major=${release%%.*}
  minor=$(printf '%s' "$release" | cut -d. -f2)
  [ "$major" -gt 5 ] || { [ "$major" = 5 ] && [ "$minor" -ge 12 ]; } && line ok kernel "$release" ||
    line BAD kernel "$release" "Use a kernel of 5.12 or later (idmapped mounts), as Debian 12 and Ubuntu 22.04 have."
  case $(uname -m) in
  x86_64) arch=x64 ;;
  aarch64) arch=arm64 ;;
  *) arch= ;;
  esac
  [ -n "$arch" ] && line ok processor "$(uname -m)" || line BAD processor "$(uname -m)" "Use an x86-64 or arm64 machine."
  if [ "$arch" = x64 ]; then
    grep -qw sse4_2 /proc/cpuinfo && grep -qw popcnt /proc/cpuinfo && line ok "x86-64-v2" yes ||
      line BAD "x86-64-v2" no "Set the virtual machine's CPU type to host."
  fi
  if booted; then
    line ok systemd "$(systemctl --version 2>/dev/null | sed -n '1s/systemd \([0-9]*\).*/\1/p')"
  elif [ -n "$chroot" ]; then
    line ok systemd "not running yet: units are enabled for the first boot"
  elif is_hub; then
    line BAD systemd "not running" "Start the hub without it: cocalc-hub up (see scripts/run of a checkout)."
  else
    line note systemd "not running: the project host starts now, but not after a reboot"
  fi
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    line ok "cgroup v2" yes
  elif [ -n "$chroot" ]; then
    line note "cgroup v2" "not seen here"
  else
    line note "cgroup v2" "no: runc is used, and limits of projects depend on the old controllers" \
      "Boot with systemd.unified_cgroup_hierarchy=1."
  fi
  grep -qw btrfs /proc/filesystems 2>/dev/null || modinfo btrfs >/dev/null 2>&1 && line ok btrfs yes ||
    line note btrfs "this kernel has none: plain-directory storage, without quotas and snapshots"
}

# A machine changes hands when somebody says so, never by a mistaken paste.
check_belonging() {
  [ -n "$token" ] && [ "$replace" = 0 ] || return 0
  known=$(sed -n 's/.*"hub_id": *"\([^"]*\)".*/\1/p' "$host_root/project-host/host.json" 2>/dev/null | head -n 1)
  [ -z "$known" ] || [ "$known" = "$(token_field hub_id)" ] ||
    line BAD hub "this machine is a host of another hub already  [join.other-hub]" \
      "To leave that hub for this one, give --replace: its projects stay here, stopped."
}

preflight() {
  say "checking this machine (nothing is changed yet):"
  check_system
  free=$(df -Pk "$(existing_parent "$main_root")" 2>/dev/null | awk 'NR==2 {print int($4 / 1048576)}')
  [ "${free:-0}" -ge 2 ] && line ok disk "$free GiB free" ||
    line BAD disk "${free:-0} GiB free" "Free at least 2 GiB, or choose another --data-dir."
  now=$(date +%s)
  if [ -n "$token" ] && [ "$now" -ge "$expires" ]; then
    line BAD clock "the token ended at $expires, it is $now here" \
      "Correct this machine's clock (timedatectl set-ntp true), or make a new token."
  elif [ -n "$token" ] && [ "$now" -lt $((${issued:-0} - 300)) ]; then
    line BAD clock "the token was made at $issued, it is $now here" \
      "Correct this machine's clock: timedatectl set-ntp true"
  elif [ "$now" -lt 1750000000 ]; then
    line BAD clock "$(date -u +%FT%TZ)" "Correct this machine's clock: timedatectl set-ntp true"
  else
    line ok clock "$(date -u +%FT%TZ)"
  fi
  check_belonging
  check_ports
  if [ "$(id -u)" = 0 ]; then
    line ok rights root
  elif is_hub; then
    line BAD rights "$(id -un), without sudo" "Run this as root, or install sudo."
  else
    line ok rights "$(id -un), without sudo: projects get weaker limits"
  fi
  [ -z "$user" ] || { id -u "$user" >/dev/null 2>&1 && line ok user "$user" || line BAD user "there is no $user" "adduser $user"; }
  check_programs
  if [ "$from_hub" = 1 ]; then through_tunnel; elif [ -n "$PIN" ]; then reach; fi
  check_source
  [ "$red" = 0 ] || fail "this machine is not ready; nothing was changed" "See the fixes above, then run the same line again."
}

# --- Where files come from: a hub, a release's address, or a directory ------------------------------------------------

# A host that was paired knows its hub by the hub's CA, which a change of names or certificates leaves alone.
fetch() {
  if [ "$from_hub" = 1 ]; then
    curl -fsSL --connect-timeout 10 --retry 5 --retry-connrefused --cacert "$LIB/hub-ca.pem" "$@"
  else
    curl -fsSLk --connect-timeout 5 --pinnedpubkey "sha256//$PIN" "$@"
  fi
}

# The near end of the tunnel's way to the hub, on this machine's loopback.
through_tunnel() {
  [ -s "$LIB/hub-ca.pem" ] || fail "this machine does not know its hub's CA: an older version joined it" \
    "Paste a line from the hub, once: Hosts, Add a machine. Its projects stay." 78
  hub=https://127.0.0.1:$((base_port - 196))
  if fetch -o /dev/null "$hub/artifacts/VERSION" 2>/dev/null; then
    line ok hub "answers through the tunnel"
  else
    line BAD hub "does not answer through the tunnel, at $hub" "See: cocalc-project-host status"
  fi
}

reach() {
  hub=
  for address in $addresses; do
    case $address in *:*) address="[$address]" ;; esac
    if fetch -o /dev/null "https://$address:$https_port/ca.pem" 2>/dev/null; then
      hub="https://$address:$https_port"
      break
    fi
  done
  if [ -n "$hub" ]; then
    line ok hub "$hub"
  elif [ -n "$offline" ]; then
    line note hub "its HTTPS does not answer; pairing goes over SSH alone"
  else
    line BAD hub "none answers with the right key: $addresses (port $https_port)" \
      "Open that port on the hub's firewall, or set public_host there."
  fi
}

check_source() {
  if [ -n "$offline" ]; then
    [ -f "$offline/SHA256SUMS" ] || [ -f "$offline" ] && line ok source "$offline" ||
      line BAD source "$offline holds no SHA256SUMS" "Name the directory of an unpacked release."
  elif [ -n "${hub:-}" ]; then
    line ok source "$hub"
  elif [ -z "$PIN" ] && [ -n "$RELEASE_URL" ]; then
    line ok source "$RELEASE_URL"
  elif [ -z "$PIN" ]; then
    line BAD source "this script belongs to no release" "Run it from an unpacked release: sh install.sh --offline DIR"
  fi
}

get() { # name file
  if [ -n "$offline" ]; then
    cp "$offline/$1" "$2"
  elif [ -n "${hub:-}" ]; then
    fetch -o "$2" "$hub/artifacts/$1"
  else
    curl -fsSL --proto '=https' --retry 3 --connect-timeout 10 -o "$2" "$RELEASE_URL/${version_wanted:-latest}/$1"
  fi
}

listed() { grep -q "^[0-9a-f]\{64\}  $1\$" "$stage/SHA256SUMS"; }

# verified NAME FILE [OLD]: the file, with the hash that the signed list names; an unchanged old copy is linked.
verified() {
  want=$(sed -n "s/^\([0-9a-f]\{64\}\)  $1\$/\1/p" "$stage/SHA256SUMS")
  [ -n "$want" ] || fail "the release does not list $1" "Get the release again." 65
  [ ! -f "$2" ] || [ "$(hash_of "$2")" != "$want" ] || return 0
  rm -f "$2" "$2.part"
  get "$1" "$2.part" || fail "$1 could not be fetched" "Run the same line again: it goes on where it was."
  [ "$(hash_of "$2.part")" = "$want" ] || fail "$1 came damaged: its SHA-256 is not the one in the release's list" "Run the same line again."
  chmod "${3:-0644}" "$2.part"
  mv "$2.part" "$2"
}

# A key that an earlier install recorded outranks the one in this script: who can replace the script cannot sign.
check_signature() {
  key=$RELEASE_KEY
  [ ! -s "$LIB/release-key" ] || key=$(cat "$LIB/release-key")
  get SHA256SUMS "$stage/SHA256SUMS" || fail "the release's list of files could not be fetched" "Check the way to it, and run the same line again."
  if [ -z "$key" ]; then
    [ -n "$PIN" ] || [ -n "$offline" ] || [ "$from_hub" = 1 ] || fail "this release is not signed" "Get a signed one, or install with --offline what you built yourself." 65
    say "  note: nobody signed this build; it is trusted for where it came from"
    return 0
  fi
  get SHA256SUMS.sig "$stage/SHA256SUMS.sig" || fail "the release's signature could not be fetched" "It should lie beside SHA256SUMS." 65
  printf '%s namespaces="%s" %s\n' "$SIGNER" "$SIGNER" "$key" >"$stage/signers"
  ssh-keygen -Y verify -f "$stage/signers" -I "$SIGNER" -n "$SIGNER" -s "$stage/SHA256SUMS.sig" <"$stage/SHA256SUMS" >/dev/null 2>&1 ||
    fail "the signature does not hold: these files are not those that were released" \
      "Get them again from the place you trust. (A new signing key? Remove $LIB/release-key, if you know why.)" 65
  rm -f "$stage/signers"
  printf '%s\n' "$key" >"$stage/release-key"
  say "  signature and list of files hold"
}

# --- Changing the machine ----------------------------------------------------------------------------------------------

# Written before the thing is made, so that what a killed run left behind is found by --uninstall.
note() {
  [ -d "$LIB" ] || return 0 # without systemd nothing is installed outside one directory
  grep -qsxF "$1" "$LIB/receipt" || printf '%s\n' "$1" >>"$LIB/receipt"
}
own_dir() { # mode owner dir: made when missing
  [ -d "$3" ] || {
    note "dir $3"
    mkdir "$3"
  }
  chown "$2" "$3"
  chmod "$1" "$3"
}
place() { # mode file: standard input becomes that file, whole or not at all
  [ -e "$2" ] || note "file $2"
  cat >"$2.cocalc-new"
  chmod "$1" "$2.cocalc-new"
  mv "$2.cocalc-new" "$2"
}
point() { # link target: atomically
  [ -e "$1" ] || [ -L "$1" ] || note "file $1"
  ln -sfn "$2" "$1.new"
  mv -T "$1.new" "$1"
}

say_apt_lock() {
  for lock in /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock; do
    [ -e "$lock" ] || continue
    holder=$(awk -v inode=":$(stat -c %i "$lock")" 'index($6, inode) && substr($6, length($6) - length(inode) + 1) == inode {print $5; exit}' /proc/locks 2>/dev/null)
    [ -z "$holder" ] || {
      say "  waiting for another package manager to finish: $(cat "/proc/$holder/comm" 2>/dev/null || echo a process) (pid $holder) holds $lock"
      return 0
    }
  done
}

install_packages() {
  [ -n "$missing" ] || return 0
  step packages "installing:$missing"
  export DEBIAN_FRONTEND=noninteractive
  had_sshd=no
  ! have sshd || had_sshd=yes
  # No service of what is installed is to start: the hub runs an sshd of its own.
  policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] || {
    policy_ours=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
  }
  say_apt_lock
  # shellcheck disable=SC2086 # a list of package names
  apt-get -qq -o DPkg::Lock::Timeout=600 update >&2 || say "  note: apt-get update did not work; trying with the lists there are"
  # shellcheck disable=SC2086
  apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $missing >&2 ||
    fail "the packages could not be installed" "apt-get install -y$missing"
  for package in $missing; do note "package $package"; done
  [ "$had_sshd" = yes ] || systemctl disable --now ssh.service ssh.socket >/dev/null 2>&1 || true
  # Podman's own restart of containers would race with ours.
  systemctl disable --now podman-restart.service >/dev/null 2>&1 || true
  [ -z "${policy_ours:-}" ] || rm -f "$policy_ours"
}

make_user() { # name home
  if ! id -u "$1" >/dev/null 2>&1; then
    note "user $1"
    useradd --system --user-group --shell /bin/sh --home-dir "$2" --no-create-home "$1"
  fi
}

# The way to the programs belongs to root, so that a service cannot replace what systemd starts next time. Below a
# person's own home the directories on the way are that person's.
make_root() { # root owner
  make_parents "$1" "$2"
  own_dir 0755 root:root "$1/bin"
}
make_parents() {
  [ -d "$1" ] && return 0
  make_parents "$(dirname "$1")" "$2"
  own_dir 0755 "$2" "$1"
}

give_ids() { # user: a range for programs that work in user namespaces of their own
  for file in /etc/subuid /etc/subgid; do
    [ -e "$file" ] || {
      note "file $file"
      : >"$file"
    }
    grep -q "^cocalc-projects:" "$file" || {
      note "ids cocalc-projects"
      printf 'cocalc-projects:%s:%s\n' "$IDS_FIRST" "$IDS_COUNT" >>"$file"
    }
    grep -q "^$1:" "$file" && continue
    first=$(awk -F: 'BEGIN {top = 100000} $2 + $3 > top {top = $2 + $3} END {print top}' /etc/subuid /etc/subgid)
    note "ids $1"
    printf '%s:%s:65536\n' "$1" "$first" >>"$file"
  done
}

owner_of() { if [ "$1" = "$user" ]; then printf '%s:' "$1"; else echo root:root; fi; }

make_users() {
  step users "service users, their directories and ranges of user ids"
  if is_hub; then
    make_user "$hub_user" "$hub_home"
    make_root "$hub_root" "$(owner_of "$hub_user")"
    own_dir 0700 "$hub_user:" "$hub_root/launchpad"
    give_ids "$hub_user"
  fi
  make_user "$host_user" "$host_home"
  make_root "$host_root" "$(owner_of "$host_user")"
  own_dir 0700 "$host_user:" "$host_root/project-host"
  give_ids "$host_user"
}

# Downloads to a staging directory that a second run goes on with, then puts it in place by one rename.
install_files() {
  step files "the release, to $main_root/bin"
  stage=$main_root/bin/.staging
  mkdir -p "$stage"
  chmod 0755 "$stage"
  check_signature
  get VERSION "$stage/VERSION" || fail "the release has no VERSION" "Get the release again." 65
  version=$(tr -cd 'A-Za-z0-9.+_-' <"$stage/VERSION")
  [ -n "$version" ] || fail "the release names no version" "Get the release again." 65
  [ -z "$version_wanted" ] || [ "$version" = "$version_wanted" ] || fail "this release is $version, not $version_wanted" "" 65
  verified VERSION "$stage/VERSION"
  name=$version
  # Another build of the same version: both stay apart, so that one can go back.
  [ ! -f "$main_root/bin/$name/SHA256SUMS" ] || cmp -s "$main_root/bin/$name/SHA256SUMS" "$stage/SHA256SUMS" ||
    name=$version.$(hash_of "$stage/SHA256SUMS" | cut -c1-8)
  if [ -d "$main_root/bin/$name" ]; then
    rm -rf "$stage"
    say "  $version is there already"
  else
    stage_files
    mv "$stage" "$main_root/bin/$name"
  fi
  stage=$main_root/bin/$name
  # The host beside a hub has the same file, once on disk.
  if is_hub && [ ! -d "$host_root/bin/$name" ]; then
    share "$stage" "$host_root/bin/$name"
  fi
  [ -d "$LIB/$name" ] || share "$stage" "$LIB/$name"
  if [ -n "$RELEASE_KEY" ] && [ ! -e "$LIB/release-key" ]; then
    printf '%s\n' "$RELEASE_KEY" | place 0644 "$LIB/release-key"
  fi
}

stage_files() {
  verified "cocalc-project-host-linux-$arch" "$stage/cocalc-project-host" 0755
  ! is_hub || verified "cocalc-hub-linux-$arch" "$stage/cocalc-hub" 0755
  ! listed install.sh || verified install.sh "$stage/install.sh" 0755
  ! listed "rustic-linux-$arch" || verified "rustic-linux-$arch" "$stage/rustic" 0755
  if is_hub; then
    # For hosts of the other kind that join.
    for other in x64 arm64; do
      [ "$other" != "$arch" ] || continue
      for program in cocalc-project-host rustic; do
        ! listed "$program-linux-$other" || verified "$program-linux-$other" "$stage/$program-linux-$other" 0755
      done
    done
  fi
}

share() { # from to: what a host needs, linked where the file system allows
  rm -rf "$2.new"
  mkdir "$2.new"
  for file in cocalc-project-host rustic install.sh VERSION SHA256SUMS; do
    [ ! -e "$1/$file" ] || ln "$1/$file" "$2.new/$file" 2>/dev/null || cp -p "$1/$file" "$2.new/$file"
  done
  mv "$2.new" "$2"
}

find_rustic() {
  [ ! -x "$main_root/bin/$name/rustic" ] || return 0
  if have rustic; then
    say "  rustic: the one in PATH ($(rustic --version 2>/dev/null | tr '\n' ' '))"
  elif have cargo; then
    step rustic "building rustic $RUSTIC with cargo: about ten minutes"
    if CARGO_HOME=$LIB/.cargo cargo install --quiet --locked --version "$RUSTIC" --root "$LIB/.rustic" rustic-rs >&2; then
      for dir in "$main_root" "$host_root"; do cp "$LIB/.rustic/bin/rustic" "$dir/bin/$name/rustic"; done
    else
      say "WARNING: rustic could not be built: this machine goes on WITHOUT BACKUPS"
    fi
    rm -rf "$LIB/.cargo" "$LIB/.rustic"
  else
    say "WARNING: there is no rustic: this machine goes on WITHOUT BACKUPS."
    say "  fix: put rustic $RUSTIC into /usr/local/bin (cargo install --locked rustic-rs), or use a release that brings it"
  fi
}

apparmor() {
  [ "$(cat /proc/sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null)" = 1 ] && is_hub || return 0
  step apparmor "this system forbids user namespaces to ordinary programs: a profile allows them to cocalc-sshd, which makes the jail that backups arrive in"
  place 0644 /etc/apparmor.d/cocalc-sshd <<'END'
# The sshd of CoCalc's hub puts each host's backups into a jail (bubblewrap), which needs a user namespace. Its unit
# names this profile.
abi <abi/4.0>,
include <tunables/global>
profile cocalc-sshd flags=(unconfined) {
  userns,
}
END
  apparmor_parser -r /etc/apparmor.d/cocalc-sshd || say "WARNING: apparmor_parser refused the profile: backups stay closed"
}

install_units() {
  step units "units in $UNITS"
  roles=hub,host
  is_hub || roles=host
  made=$(mktemp -d)
  set -- --dir "$made" --roles "$roles" --hub-root "$hub_root" --host-root "$host_root" --helper-root "$LIB" \
    --hub-user "$hub_user" --host-user "$host_user" --base-port "$base_port"
  ! is_hub || set -- "$@" --product "$product"
  [ -z "$public_host" ] || set -- "$@" --public-host "$public_host"
  env -i PATH="$PATH" "$stage/cocalc-project-host" units "$@" >/dev/null || fail "the units could not be made" "" 70
  changed=
  for file in "$made"/*; do
    unit=$(basename "$file")
    note "unit $unit"
    cmp -s "$file" "$UNITS/$unit" && continue
    changed="$changed $unit"
    place 0644 "$UNITS/$unit" <"$file"
  done
  # What an older version had and this one has not.
  sed -n 's/^unit //p' "$LIB/receipt" | while read -r unit; do
    [ -e "$made/$unit" ] || [ ! -e "$UNITS/$unit" ] || {
      ! booted || systemctl disable --now "$unit" >/dev/null 2>&1 || true
      rm -f "$UNITS/$unit"
    }
  done
  units=$(cd "$made" && ls)
  rm -rf "$made"
  if booted; then systemctl daemon-reload; else export SYSTEMD_OFFLINE=1; fi
  # shellcheck disable=SC2086 # a list of unit names
  systemctl enable $units >/dev/null 2>&1 || fail "the units could not be enabled" "systemctl enable cocalc.target" 70
}

current_of() { readlink "$1/bin/current" 2>/dev/null || true; }
services() { # those that run all the time
  for unit in $units; do
    case $unit in cocalc-image.* | cocalc-local-host.* | cocalc-storage.* | cocalc-prove.* | cocalc-scrub.* | cocalc-snapshot.* | cocalc-backup.* | cocalc-prune.* | cocalc-verify.* | *.timer | *.target) continue ;; esac
    echo "$unit"
  done
}

switch_to() { # name
  ! is_hub || point "$hub_root/bin/current" "$1"
  point "$host_root/bin/current" "$1"
  point "$LIB/current" "$1"
}

local_get() { curl -fsS --max-time 5 --unix-socket "$hub_root/launchpad/run/hub.sock" "http://localhost/api/local/$1" 2>/dev/null; }

# Each service runs this very program and says that it is ready; the hub answers; a tunnel that was there is back, and so
# is the link over which the hub is told of this machine: each version of both sides must understand the other.
well() { # name
  for unit in $(services); do
    [ "$(systemctl show -p ActiveState --value "$unit")" = active ] || { ill=$unit && return 1; }
    pid=$(systemctl show -p MainPID --value "$unit")
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
    */"$1"/cocalc-*) ;;
    *) ill=$unit && return 1 ;;
    esac
  done
  ill=cocalc-hub.service
  ! is_hub || local_get ready >/dev/null || return 1
  ill=cocalc-connector.service
  [ "$had_tunnel" = 0 ] || tunnel_up || return 1
  ill=cocalc-project-host.service
  [ "$had_link" = 0 ] || linked || return 1
}
linked() { systemctl show -p StatusText --value cocalc-project-host.service | grep -q '; linked to the hub$'; }
look_back() { # what is there now and must be there again
  had_tunnel=0 had_link=0
  ! tunnel_up || had_tunnel=1
  ! linked || had_link=1
}
tunnel_up() {
  "$host_root/bin/current/cocalc-project-host" status --json --data-dir "$host_root" 2>/dev/null |
    grep -Eq '"connector": *\{[^}]*"state": *"(up|none)"'
}
prove() { # name: well for three seconds on end, within HEALTHY_SECONDS
  tries=0
  good=0
  while [ "$tries" -lt "$HEALTHY_SECONDS" ]; do
    if well "$1"; then good=$((good + 1)); else good=0; fi
    [ "$good" -lt 3 ] || return 0
    tries=$((tries + 1))
    sleep 1
  done
  return 1
}

restart_services() {
  for unit in $(services); do systemctl restart --no-block "$unit"; done
}

activate() {
  before=$(current_of "$main_root")
  had_tunnel=0 had_link=0
  if ! booted; then
    switch_to "$name"
    return 0
  fi
  if [ "$before" = "$name" ] && [ -z "$changed" ]; then
    switch_to "$name" # a run that was killed may have left one of them behind
    systemctl start cocalc.target
  else
    [ -z "$before" ] || look_back
    step start "starting $version${before:+ in place of $before}"
    if is_hub && [ -n "$before" ] && [ "$before" != "$name" ]; then keep_database; fi
    earlier=$(readlink "$main_root/bin/previous" 2>/dev/null || true)
    if [ -n "$before" ] && [ "$before" != "$name" ]; then
      point "$main_root/bin/previous" "$before"
      # A power cut from here on: cocalc-prove looks after the next boot.
      printf '%s %s\n' "$name" "$before" | place 0644 "$LIB/unproven"
    fi
    switch_to "$name"
    systemctl reset-failed 'cocalc-*' 2>/dev/null || true
    restart_services
    systemctl start --no-block cocalc.target
  fi
  if prove "$name"; then
    say "  all services run $version and are ready"
    rm -f "$LIB/unproven"
    prune_versions
    return 0
  fi
  journalctl -u "$ill" -n 8 --no-pager -o cat >&2 2>/dev/null || true
  if [ -n "$before" ] && [ "$before" != "$name" ]; then
    say "$version did not prove healthy within $HEALTHY_SECONDS s ($ill): going back to $before"
    go_back "$before"
    rm -f "$LIB/unproven"
    if [ -n "$earlier" ]; then point "$main_root/bin/previous" "$earlier"; else rm -f "$main_root/bin/previous"; fi
    fail "the upgrade to $version was rolled back; $before runs again" "journalctl -u $ill" 75
  fi
  fail "$ill did not become healthy within $HEALTHY_SECONDS s" "journalctl -u $ill" 70
}

# The hub's database as the old version left it: a newer schema is not read by an older program.
keep_database() {
  systemctl stop cocalc-hub.service
  database=$hub_root/launchpad/hub.sqlite
  [ ! -e "$database" ] || for part in "" -wal; do
    rm -f "$database.before$part"
    [ ! -e "$database$part" ] || cp -p --reflink=auto "$database$part" "$database.before$part"
  done
}

go_back() { # name
  switch_to "$1"
  restart_services
  ! prove "$1" || return 0
  if is_hub && [ -e "$hub_root/launchpad/hub.sqlite.before" ]; then
    say "  the old version cannot read the new database: taking the copy from before the upgrade"
    systemctl stop cocalc-hub.service
    database=$hub_root/launchpad/hub.sqlite
    for part in "" -wal; do
      [ ! -e "$database$part" ] || mv "$database$part" "$database.refused$part"
      [ ! -e "$database.before$part" ] || cp -p "$database.before$part" "$database$part"
    done
    rm -f "$database-shm"
    restart_services
    ! prove "$1" || return 0
  fi
  fail "$1 does not come up either: $ill" "journalctl -u $ill" 70
}

prune_versions() {
  keep=$(current_of "$main_root")
  keep2=$(readlink "$main_root/bin/previous" 2>/dev/null || echo none)
  for dir in "$hub_root"/bin/* "$host_root"/bin/* "$LIB"/*; do
    [ -d "$dir" ] && [ ! -L "$dir" ] || continue
    case $(basename "$dir") in "$keep" | "$keep2") ;; *) rm -rf "$dir" ;; esac
  done
}

# --- The three ways through ----------------------------------------------------------------------------------------------

tell() {
  say ""
  if is_hub && booted; then
    urls=$(local_get setup-urls || true)
    say "CoCalc $version runs. Open one of these${urls:+ (the token makes the first admin, once)}:"
    printf '%s\n' "$urls" | tr ',' '\n' | sed -n 's/.*"\(https\{0,1\}:[^"]*\)".*/  \1/p' >&2
  fi
  say "state      $main_root"
  say "logs       journalctl -u 'cocalc-*'      services   systemctl status 'cocalc-*'"
  ! is_hub || say "health     $hub_root/bin/current/cocalc-hub doctor --data-dir $hub_root"
  say "undo       sh $LIB/current/install.sh --uninstall     back one version: --rollback"
  say "written (all of it, in $LIB/receipt):"
  sed -n '/^unit /d; s/^/  /p' "$LIB/receipt" >&2
}

plan() {
  say "would do:"
  [ -z "$missing" ] || say "  install packages:$missing"
  say "  make users: $(is_hub && printf '%s, ' "$hub_user")$host_user, with ranges in /etc/subuid and /etc/subgid"
  say "  put the release below $main_root/bin and $LIB, checked by SHA-256${RELEASE_KEY:+ and signature}"
  say "  write units to $UNITS and start cocalc.target"
  say "nothing was changed"
}

pair() {
  set -- join --token-stdin --data-dir "$host_root"
  [ "$replace" = 0 ] || set -- "$@" --replace
  # Root's own copy: what is fetched from the hub later is believed for it.
  ! booted || set -- "$@" --keep-ca "$LIB/hub-ca.pem"
  printf '%s' "$token" | env -i PATH="$PATH" HOME="${HOME:-/}" "$stage/cocalc-project-host" "$@" || exit $?
}

wait_for_tunnel() {
  say "waiting for the tunnel to the hub"
  tries=0
  while [ "$tries" -lt 60 ]; do
    status=$("$stage/cocalc-project-host" status --data-dir "$host_root" 2>/dev/null || true)
    if printf '%s\n' "$status" | grep -Eq '^tunnel +(up|none)$'; then
      say "this machine is a host of ${hub:-the hub} now"
      return 0
    fi
    tries=$((tries + 1))
    sleep 1
  done
  printf '%s\n' "$status" >&2
  [ -z "${log:-}" ] || tail -n 5 "$log" >&2
  fail "the tunnel did not come up within a minute" "See the problem above and the hub's page of this host; it goes on trying${log:+; its log is $log}."
}

# Where there is no systemd: one directory, one process.
join_without_systemd() {
  mkdir -p "$host_root/bin"
  chmod 755 "$host_root/bin"
  install_packages
  stage=$host_root/bin/.staging
  mkdir -p "$stage"
  check_signature
  stage_files
  get VERSION "$stage/VERSION" 2>/dev/null || true
  version=$(cat "$stage/VERSION" 2>/dev/null || echo current)
  if ours; then running=1; else running=0; fi
  name=$version.$(hash_of "$stage/cocalc-project-host" | cut -c1-8)
  if [ -d "$host_root/bin/$name" ]; then rm -rf "$stage"; else mv "$stage" "$host_root/bin/$name"; fi
  ln -sfn "$name" "$host_root/bin/current.new"
  mv -T "$host_root/bin/current.new" "$host_root/bin/current"
  stage=$host_root/bin/current
  main_root=$host_root
  find_rustic_there
  pair
  if [ "$running" = 1 ]; then
    say "it runs here already and takes the new pairing over"
    wait_for_tunnel
    return 0
  fi
  set -- up --data-dir "$host_root" --base-port "$base_port"
  [ "$foreground" = 0 ] || exec env -i PATH="$PATH" HOME="${HOME:-/}" "$stage/cocalc-project-host" "$@"
  log=$host_root/bin/project-host.log
  setsid env -i PATH="$PATH" HOME="${HOME:-/}" "$stage/cocalc-project-host" "$@" >>"$log" 2>&1 </dev/null &
  wait_for_tunnel
  say "It does not survive a reboot, as there is no systemd here: put this line into your start-up:"
  say "  $stage/cocalc-project-host $*"
}
find_rustic_there() {
  [ -x "$stage/rustic" ] || have rustic ||
    say "WARNING: there is no rustic: this machine goes on WITHOUT BACKUPS (put rustic $RUSTIC into /usr/local/bin)"
}

install_all() {
  umask 022
  [ -d "$LIB" ] || mkdir -p "$LIB"
  note "dir $LIB"
  remember
  install_packages
  make_users
  install_files
  find_rustic
  apparmor
  install_units
  if ! is_hub && [ -n "$token" ]; then pair; fi
  activate
  ! booted || is_hub || wait_for_tunnel
  tell
}

rollback() {
  previous=$(readlink "$main_root/bin/previous" 2>/dev/null) || fail "there is no earlier version here" "" 66
  [ -d "$main_root/bin/$previous" ] || fail "$previous is no longer here" "" 66
  units=$(sed -n 's/^unit //p' "$LIB/receipt")
  look_back
  step start "going back to $previous"
  now=$(current_of "$main_root")
  go_back "$previous"
  point "$main_root/bin/previous" "$now"
  say "$previous runs again"
}

# After a boot: the version that was switched to when the power went has proven nothing yet. Whether the hub answers is
# no question here: it may have lost its power too.
prove_cut() {
  [ -s "$LIB/unproven" ] || return 0
  read -r name before <"$LIB/unproven"
  units=$(sed -n 's/^unit //p' "$LIB/receipt")
  had_tunnel=0 had_link=0
  if [ "$(current_of "$main_root")" != "$name" ]; then
    say "the upgrade to $name was cut off before anything was switched"
  elif prove "$name"; then
    say "all services run $name and are ready"
  else
    say "$name did not prove healthy within $HEALTHY_SECONDS s ($ill): going back to $before"
    go_back "$before"
    say "$before runs again"
  fi
  rm -f "$LIB/unproven"
}

# One run at a time, also of those that a boot and the hub begin at once.
one_at_a_time() {
  exec 9>/run/cocalc-install.lock
  flock -n 9 && return 0
  say "  waiting for another run of this script to end"
  flock -w 600 9 || fail "another run of this script is under way" "Wait for it to end." 75
}

uninstall() {
  [ -e "$LIB/receipt" ] || fail "there is no $LIB/receipt: nothing of ours is installed" "" 66
  receipt=$(cat "$LIB/receipt")
  entries() { printf '%s\n' "$receipt" | sed -n "s/^$1 //p"; }
  step stop "stopping projects and services"
  if booted; then
    [ ! -x "$LIB/current/cocalc-project-host" ] || ! systemctl -q is-active cocalc-helper.service ||
      "$LIB/current/cocalc-project-host" stop-all --data-dir "$host_root" >&2 || say "  note: not all projects could be stopped"
    # What outlives a restart of theirs: sessions of sshd, the tunnel, the SSH gateway. Once more behind the stop: a
    # service that was told to end comes back by itself until it is stopped, and may have started others.
    end_left() { for unit in cocalc-sshd cocalc-connector cocalc-project-host; do systemctl kill --signal=TERM "$unit.service" 2>/dev/null || true; done; }
    end_left
    for unit in $(entries unit); do systemctl stop "$unit" 2>/dev/null || true; done
    end_left
  fi
  for unit in $(entries unit); do
    systemctl disable "$unit" >/dev/null 2>&1 || true
    rm -f "$UNITS/$unit"
  done
  ! booted || { systemctl daemon-reload && systemctl reset-failed 'cocalc-*' 2>/dev/null; } || true
  step remove "programs, units, ranges of ids"
  if [ -e /etc/apparmor.d/cocalc-sshd ]; then apparmor_parser -R /etc/apparmor.d/cocalc-sshd 2>/dev/null || true; fi
  rm -rf "${hub_root:?}/bin" "${host_root:?}/bin"
  for who in $(entries ids); do sed -i "/^$who:/d" /etc/subuid /etc/subgid; done
  for file in $(entries file); do
    case $file in /etc/subuid | /etc/subgid) [ -s "$file" ] || rm -f "$file" ;; *) rm -f "$file" ;; esac
  done
  if [ "$purge" = 1 ]; then
    step purge "data and users"
    chattr -i "$host_root/project-host/storage/pool" 2>/dev/null || true # its mount point is immutable underneath
    for dir in "$hub_root/launchpad" "$host_root/project-host"; do rm -rf "$dir"; done
    for who in $(entries user); do userdel "$who" 2>/dev/null || true; done
  else
    say "  kept: $hub_root/launchpad and $host_root/project-host, with users $(entries user | tr '\n' ' ')(remove them with --purge, before or after)"
  fi
  rm -rf "$LIB"
  # From the deepest up, only what is empty: whatever else lies there is not ours.
  printf '%s\n' "$receipt" | sed -n 's/^dir //p' | sort -r | while read -r dir; do rmdir "$dir" 2>/dev/null || true; done
  if [ "$purge" = 0 ] && [ -n "$(entries user)" ]; then
    mkdir -p "$LIB"
    printf '%s\n' "$receipt" | grep -E '^(dir|user) ' >"$LIB/receipt"
  fi
  set -- "$(entries package | tr '\n' ' ')"
  [ -z "$1" ] || say "  packages that were installed for it stay; to remove them: apt-get remove $1"
  say "uninstalled"
}

clean_up() {
  [ -z "${policy_ours:-}" ] || rm -f "$policy_ours"
  [ -z "${unpacked:-}" ] || rm -rf "$unpacked"
}

# Standard input goes on to sudo's child: the token may come there.
with_sudo() {
  case " $* " in *" --help "* | *" -h "*) return 0 ;; esac
  [ "$(id -u)" != 0 ] && have sudo || return 0
  [ -f "$0" ] || fail "this needs root" "Pipe it into sudo sh instead of sh." 77
  say "root is needed (packages, service users, containers with user ids of their own): asking sudo"
  if [ -n "${COCALC_JOIN_TOKEN:-}" ]; then
    printf '%s' "$COCALC_JOIN_TOKEN" | sudo sh "$0" "$@"
  else
    sudo sh "$0" "$@"
  fi
  exit $?
}

main() {
  with_sudo "$@"
  join=0 from_hub=0 check=0 dry=0 foreground=0 purge=0 replace=0 action=install chroot=
  product='' base_port='' public_host='' user='' data_dir='' version_wanted='' offline=''
  [ -z "$PIN" ] || join=1
  while [ $# -gt 0 ]; do
    case $1 in
    --product | --base-port | --public-host | --user | --data-dir | --version | --offline)
      [ $# -ge 2 ] || fail "$1 needs a value" "See --help." 64
      case $1 in
      --product) product=$2 ;;
      --base-port) base_port=$2 ;;
      --public-host) public_host=$2 ;;
      --user) user=$2 ;;
      --data-dir) data_dir=$2 ;;
      --version) version_wanted=$2 ;;
      --offline) offline=$2 ;;
      esac
      shift
      ;;
    --join) join=1 ;;
    --from-hub) join=1 from_hub=1 ;;
    --check) check=1 ;;
    --dry-run) dry=1 ;;
    --foreground) foreground=1 ;;
    --replace) replace=1 ;;
    --rollback) action=rollback ;;
    --prove) action=prove_cut ;;
    --uninstall) action=uninstall ;;
    --purge) purge=1 ;;
    --chroot) chroot=1 ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option $1" "See --help." 64 ;;
    esac
    shift
  done
  case ${product:-launchpad} in plus | launchpad | rocket) ;; *) fail "there is no product $product" "One of: plus, launchpad, rocket." 64 ;; esac
  case $base_port in *[!0-9]*) fail "--base-port must be a number" "" 64 ;; esac
  token=
  if [ "$action" = install ] && ! is_hub && [ "$from_hub" = 0 ]; then
    token=${COCALC_JOIN_TOKEN:-}
    [ -n "$token" ] || [ -n "$chroot" ] || token=$(cat)
  fi
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  places
  case $action in
  uninstall | rollback | prove_cut)
    [ "$(id -u)" = 0 ] || fail "this needs root" "Run it with sudo." 77
    [ "$action" = uninstall ] || one_at_a_time
    "$action"
    exit 0
    ;;
  esac
  # An unpacked release installs itself.
  [ -n "$offline$PIN$RELEASE_URL" ] || [ "$from_hub" = 1 ] || [ ! -f "$(dirname "$0")/SHA256SUMS" ] || offline=$(dirname "$0")
  have curl || [ -n "$offline" ] || fail "curl is not installed" "apt-get install -y curl"
  hub=
  is_hub || [ -z "$token" ] || decode
  [ "$from_hub" = 0 ] || [ -e "$LIB/receipt" ] || fail "there is no $LIB/receipt: nothing of ours is installed" "See --help." 66
  preflight
  [ "$check" = 0 ] || exit 0
  if [ "$dry" = 1 ]; then
    plan
    exit 0
  fi
  unpack
  if ! is_hub && ! booted && [ -z "$chroot" ]; then
    join_without_systemd
  else
    one_at_a_time
    install_all
  fi
}

# What an earlier run was told stands until it is told otherwise: an upgrade needs no options.
recall() { [ ! -e "$LIB/settings" ] || sed -n "s/^$1=//p" "$LIB/settings"; }
remember() {
  for key in role product base_port public_host user data_dir; do
    eval "printf '%s=%s\n' $key \"\$$key\""
  done | place 0644 "$LIB/settings"
}

# Who the services are, and where they live.
places() {
  role=$(recall role)
  if [ "$action" != install ]; then
    [ "$role" != host ] || join=1
  elif [ -n "$role" ]; then
    is_hub && asked=hub || asked=host
    [ "$role" = "$asked" ] || fail "this machine is installed as a $role" "Uninstall it first: sh $LIB/current/install.sh --uninstall" 78
  fi
  is_hub && role=hub || role=host
  [ -n "$user" ] || user=$(recall user)
  [ -n "$data_dir" ] || data_dir=$(recall data_dir)
  [ -n "$public_host" ] || public_host=$(recall public_host)
  [ -n "$base_port" ] || base_port=$(recall base_port)
  base_port=${base_port:-9200}
  [ -n "$product" ] || product=$(recall product)
  product=${product:-launchpad}
  hub_user=cocalc hub_home=/var/lib/cocalc host_user=cocalc-host host_home=/var/lib/cocalc-host
  if [ -n "$user" ]; then
    home=$(getent passwd "$user" | cut -d: -f6)
    if is_hub; then hub_user=$user hub_home=$home; else host_user=$user host_home=$home; fi
  fi
  hub_root=$hub_home/.local/share/cocalc
  host_root=$host_home/.local/share/cocalc
  if [ "$(id -u)" != 0 ]; then
    host_root=$HOME/.local/share/cocalc
  fi
  if [ -n "$data_dir" ]; then
    case $data_dir in /*) ;; *) data_dir=$PWD/$data_dir ;; esac
    hub_root=$data_dir host_root=$data_dir
  fi
  main_root=$host_root
  ! is_hub || main_root=$hub_root
}

unpack() {
  [ -n "$offline" ] || return 0
  case $offline in /*) ;; *) offline=$PWD/$offline ;; esac
  if [ -f "$offline" ]; then
    unpacked=$(mktemp -d)
    tar -xzf "$offline" -C "$unpacked" --strip-components=1 || fail "$offline cannot be unpacked" "Get it again." 65
    offline=$unpacked
  fi
}

main "$@"
