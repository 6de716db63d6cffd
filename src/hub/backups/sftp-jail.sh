#!/bin/sh
# Forced command of a host's backup key: OpenSSH's sftp-server, which sees one repository and nothing else of this
# machine, and can add to it but never change or remove. Arguments: repository, sftp-server, passwd, then, for a key
# that only reads, -R.
# - umask 0222: a new file is 0444. Its maker writes on through the open handle; nobody can open it again for writing.
# - an allow list of requests, so that those of later OpenSSH versions stay closed.
# - the only place that can be written to is the repository: with a writable root or /dev a key could fill this
#   machine's memory.
set -eu

repository=$1
server=$2
passwd=$3
shift 3
set -- --unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv \
  --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --dev-bind /dev/null /dev/null \
  --ro-bind "$passwd" /etc/passwd --bind "$repository" /repo --remount-ro / --chdir /repo \
  "$server" -d /repo -u 0222 \
  -p open,close,read,write,stat,lstat,opendir,readdir,realpath,limits,expand-path "$@"
exec bwrap "$@"
