#!/bin/sh
# SSH_ASKPASS: hands ssh the password that an admin typed for this one time. It comes in the environment of ssh alone.
printf '%s\n' "$COCALC_SSH_PASSWORD"
