#!/bin/sh
# Forced command of people's keys on the hub's sshd, which only leads on to the SSH ports of their projects' hosts.
set -eu

echo 'cocalc: this door only leads on to projects. Use it as a jump host: cocalc-hub ssh-config writes how.' >&2
exit 1
