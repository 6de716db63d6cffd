# Run on a machine that becomes a host: the hub's own installer, as root, with the join token on its standard input.
# RIGHTS, TOKEN, INSTALLER and, where sudo asks for it, SUDO_PASSWORD are set before this text. Arguments are the
# installer's.
# shellcheck shell=sh disable=SC2154 # set before this text

main() {
  echo COCALC-BEGIN
  file=$(mktemp) || exit 73
  trap 'rm -f "$file"' EXIT
  printf '%s' "$INSTALLER" >"$file"
  case $RIGHTS in
  root) printf '%s' "$TOKEN" | sh "$file" "$@" ;;
  sudo) printf '%s' "$TOKEN" | sudo -n sh "$file" "$@" ;;
  *) printf '%s\n%s' "$SUDO_PASSWORD" "$TOKEN" | sudo -S -k -p '' sh "$file" "$@" ;;
  esac
  echo "COCALC-END $?"
}
main "$@" 2>&1
