#!/bin/sh
# base-image.sh ROOT MODE SUITE APTCONF SOURCES…: makes the root file system of the `base` image with mmdebstrap.
# ROOT is a tar file made anew (compressed by its ending); MODE is root or unshare; APTCONF holds this machine's
# proxies; SOURCES are files of its own package sources. This text is part of what the image is: change it, and
# tests make a new one.
set -eu

PACKAGES=bash,coreutils,procps,psmisc,util-linux,python3,git,curl,ca-certificates,less,nano
PACKAGES=$PACKAGES,vim-tiny,openssh-client,openssh-sftp-server,rsync,sudo,iproute2,file,xz-utils,unzip,tini

main() {
  root=$1
  mode=$2
  suite=$3
  conf=$4
  shift 4
  # A reproducible tree: the same packages give the same digest.
  SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}
  export SOURCE_DATE_EPOCH
  # shellcheck disable=SC2016 # $1 is expanded by the shell mmdebstrap starts
  mmdebstrap --mode="$mode" --variant=minbase --include="$PACKAGES" \
    --aptopt="$conf" \
    --aptopt='Acquire::Languages "none"' \
    --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='chroot "$1" groupadd -g 1000 user' \
    --customize-hook='chroot "$1" useradd -u 1000 -g 1000 -m -s /bin/bash user' \
    --customize-hook='printf "user ALL=(ALL) NOPASSWD: ALL\n" >"$1/etc/sudoers.d/user" && chmod 0440 "$1/etc/sudoers.d/user"' \
    --customize-hook='printf "project\n" >"$1/etc/hostname"' \
    --customize-hook='printf "127.0.0.1 localhost project\n::1 localhost\n" >"$1/etc/hosts"' \
    --customize-hook='printf "APT::Sandbox::User \"root\";\nAPT::Install-Recommends \"false\";\n" >"$1/etc/apt/apt.conf.d/90project"' \
    --customize-hook='mkdir -p "$1/opt/cocalc" "$1/run/cocalc" && : >"$1/opt/cocalc/cocalc-project-host"' \
    --customize-hook='ln -sf /usr/bin/vim.tiny "$1/usr/local/bin/vim"' \
    --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id" "$1"/var/log/*.log "$1"/var/log/apt/* "$1/var/cache/ldconfig/aux-cache"; : >"$1/etc/machine-id"; : >"$1/etc/resolv.conf"' \
    "$suite" "$root" "$@"
}

main "$@"
