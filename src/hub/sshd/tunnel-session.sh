#!/bin/sh
# Forced command of a host's tunnel key. The session echoes what it gets: that is the tunnel's heartbeat, and an
# ordinary session (no pty) is what makes sshd set TCP_NODELAY. The pid of the session's sshd and its start time
# go to the file $1, so that a stale session, which still holds the host's ports, can be ended.
set -eu

pid_file=$1

start_time() {
  # Field 22 of stat, counted behind the command's closing parenthesis: its name may hold spaces.
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

takeover() {
  [ -r "$pid_file" ] || return 0
  read -r pid started <"$pid_file" || return 0
  [ "$pid" = "$PPID" ] && return 0
  if [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ]; then
    kill "$pid" 2>/dev/null || true
  fi
}

if [ "${SSH_ORIGINAL_COMMAND:-}" = takeover ]; then
  takeover
  echo ended
  exit 0
fi

printf '%s %s\n' "$PPID" "$(start_time "$PPID")" >"$pid_file.$$"
mv "$pid_file.$$" "$pid_file"
exec cat
