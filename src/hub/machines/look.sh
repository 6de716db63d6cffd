# Run on a machine that is to become a host, by the login shell of whom the hub signed in as: `sh -s -- PORT
# FINGERPRINT ADDRESS…` of the hub's sshd. Reads, never changes. What a shell's profile prints comes before the
# marker. SUDO_PASSWORD is set before this text where there is one.
# shellcheck shell=sh

rights() {
  if [ "$(id -u)" = 0 ]; then
    echo root
  elif ! command -v sudo >/dev/null 2>&1; then
    echo no-sudo
  elif sudo -n true >/dev/null 2>&1; then
    echo sudo
  elif [ -z "${SUDO_PASSWORD:-}" ]; then
    echo asks
  elif printf '%s\n' "$SUDO_PASSWORD" | sudo -S -k -p '' true >/dev/null 2>&1; then
    echo password
  else
    echo refused
  fi
}

# Which of the hub's addresses this machine reaches by itself, judged by the key that its sshd shows. One that leads to
# this machine's own loopback is none: there ends the way that the hub holds open.
direct() {
  port=$1 want=$2
  shift 2
  command -v ssh-keyscan >/dev/null 2>&1 || return 0
  far=
  for address in "$@"; do
    case $(getent ahosts "$address" 2>/dev/null | sed -n '1s/ .*//p') in
    127.* | ::1 | '') ;;
    *) far="$far $address" ;;
    esac
  done
  # shellcheck disable=SC2086 # a list of addresses
  ssh-keyscan -T 5 -p "$port" -t ed25519 $far 2>/dev/null | ssh-keygen -lf - 2>/dev/null |
    sed -n "s|^[0-9]* $want \[\{0,1\}\([^] ]*\).*|\1|p" | head -n 1
}

main() {
  echo COCALC-BEGIN
  echo "arch=$(uname -m)"
  echo "kernel=$(uname -sr)"
  echo "os=$(sed -n 's/^PRETTY_NAME="\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /etc/os-release 2>/dev/null)"
  echo "rights=$(rights)"
  echo "curl=$(command -v curl >/dev/null 2>&1 && echo yes || echo no)"
  echo "direct=$(direct "$@")"
  echo COCALC-END
}
main "$@"
