#!/bin/sh
# Given to a login shell as its command, with the app's own in APP_COMMAND. Debian's /etc/profile sets PATH anew and
# leaves out where pip and npm install for a user.
PATH="$HOME/.local/bin:$PATH"
export PATH
eval "$APP_COMMAND"
