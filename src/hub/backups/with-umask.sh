#!/bin/sh
# Runs a program with the umask $1: what the hub writes to a repository is closed to later writing (0222), as what
# hosts write through the jail is.
umask "$1"
shift
exec "$@"
