#!/bin/sh
# Stands before the real ssh in rustic's PATH. rustic's SSH library takes no file of ssh options, and leaves a master
# connection behind at every end of its run, exit status 0 included, since it asks for ControlPersist=yes: here it gets
# our configuration, and its masters end by themselves.
for argument in "$@"; do
  shift
  [ "$argument" = ControlPersist=yes ] && argument=ControlPersist=5
  set -- "$@" "$argument"
done
exec /usr/bin/ssh -F "${COCALC_SSH_CONFIG:?}" "$@"
