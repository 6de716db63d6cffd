#!/bin/sh
# system-skeleton.sh DIR: what the image `system` has beside the machine's own /usr, made anew in DIR, which is empty.
# Taken by name, never by leaving out: nothing of /etc that is not listed here, and of that nothing that others may
# not read; of /var the package database alone. Accounts above 999, hashes, keys and package sources stay out
# (system-image.ts writes the distribution's own sources).
set -eu

# No file with settings that an admin writes credentials into: no profile.d, environment, wgetrc, npmrc, gitconfig.
ETC="alternatives ld.so.cache ld.so.conf ld.so.conf.d debian_version os-release lsb-release terminfo fonts login.defs
  localtime timezone inputrc mime.types magic magic.mime ca-certificates ca-certificates.conf ssl/certs ssl/openssl.cnf
  protocols services rpc shells debconf.conf adduser.conf deluser.conf gai.conf host.conf xattr.conf issue dpkg
  apt/trusted.gpg.d apt/keyrings locale.alias locale.gen default/locale pam.d pam.conf security binfmt.d manpath.config
  python3 perl vim nanorc emacs groff ghostscript paperspecs papersize texmf R OpenCL vulkan glvnd"

# The releases' own directories: java-17-openjdk, python3.11, ImageMagick-6.
etc_names() {
  for name in $ETC; do echo "$name"; done
  for path in /etc/java-*-openjdk /etc/python3.* /etc/ImageMagick-*; do
    [ ! -e "$path" ] || echo "${path#/etc/}"
  done
}

directories() {
  for link in bin sbin lib lib32 lib64 libx32; do
    [ ! -L "/$link" ] || cp -P "/$link" "$link"
  done
  mkdir -p usr etc/apt/apt.conf.d etc/sudoers.d dev proc sys run mnt media srv opt/cocalc home/user root tmp \
    var/lib/dpkg var/lib/misc var/lib/apt/lists/partial var/cache/apt/archives/partial var/log/apt var/tmp var/spool \
    var/mail var/local var/opt
  chmod 1777 tmp var/tmp
  chmod 700 root home/user var/cache/apt/archives/partial var/lib/apt/lists/partial
  ln -s /run var/run
  ln -s /run/lock var/lock
  : >opt/cocalc/cocalc-project-host
}

settings() {
  etc_names | while read -r name; do
    [ -e "/etc/$name" ] || [ -L "/etc/$name" ] || continue
    mkdir -p "etc/$(dirname "$name")"
    cp -a --reflink=auto "/etc/$name" "etc/$(dirname "$name")/"
  done
  find etc -xdev ! -type l ! -type d ! -perm -o=r -delete
  find etc -xdev ! -type l ! -type d ! -type f -delete
  # As the distribution ships it: an admin's own may hold anything.
  [ ! -e /usr/share/base-files/profile ] || cp /usr/share/base-files/profile etc/profile
  printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n' >etc/nsswitch.conf
  printf 'APT::Sandbox::User "root";\nAPT::Install-Recommends "false";\n' >etc/apt/apt.conf.d/90project
  printf 'project\n' >etc/hostname
  printf '127.0.0.1 localhost project\n::1 localhost\n' >etc/hosts
  : >etc/resolv.conf
  : >etc/machine-id
}

# Packages' scripts ask for the system's accounts by name; nobody can log in as one.
accounts() {
  below='^[^:]*:[^:]*:([0-9]{1,3}|65534):'
  grep -E "$below" /etc/passwd |
    awk -F: -v OFS=: '{ $2 = "x"; $5 = ""; if ($3 == 0) { $6 = "/root"; $7 = "/bin/bash" } else $7 = "/usr/sbin/nologin"; print }' >etc/passwd
  echo 'user:x:1000:1000::/home/user:/bin/bash' >>etc/passwd
  grep -E "$below" /etc/group | awk -F: -v OFS=: '{ $2 = "x"; $4 = ""; print }' >etc/group
  echo 'user:x:1000:' >>etc/group
  awk -F: '{ print $1 ":*:19000:0:99999:7:::" }' etc/passwd >etc/shadow
  awk -F: '{ print $1 ":*::" }' etc/group >etc/gshadow
  chmod 600 etc/shadow etc/gshadow
  cat >etc/sudoers <<'SUDO'
Defaults env_reset
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
user ALL=(ALL) NOPASSWD: ALL
@includedir /etc/sudoers.d
SUDO
  chmod 440 etc/sudoers
  for file in .bashrc .profile .bash_logout; do
    [ ! -r "/etc/skel/$file" ] || cp "/etc/skel/$file" home/user/
  done
  chown -R 1000:1000 home/user
}

package_database() {
  cp -a --reflink=auto /var/lib/dpkg/. var/lib/dpkg/
  rm -f var/lib/dpkg/lock* var/lib/dpkg/*-old
  [ ! -e /var/lib/apt/extended_states ] || cp -a /var/lib/apt/extended_states var/lib/apt/
}

main() {
  cd "$1"
  umask 022
  directories
  settings
  accounts
  package_database
}

main "$@"
