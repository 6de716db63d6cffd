#!/usr/bin/env bats
# install.sh as far as it goes without changing a machine: what it refuses, what its table says, what a cut or forged
# download does. Commands in $fakes stand in for a machine that is otherwise; each is named in its test. Installing for
# real is test/integration/install.test.ts.

setup() {
  script=$BATS_TEST_DIRNAME/../../install.sh
  fakes=$BATS_TEST_TMPDIR/fakes
  mkdir -p "$fakes"
  PATH=$fakes:$PATH
  release=$BATS_TEST_TMPDIR/release
  mkdir -p "$release"
  echo 9.9.9 >"$release/VERSION"
  printf 'no program\n' >"$release/cocalc-hub-linux-x64"
  cp "$release/cocalc-hub-linux-x64" "$release/cocalc-project-host-linux-x64"
  list
}

list() { (cd "$release" && find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | sort | xargs sha256sum >SHA256SUMS); }

fake() { # name, then the script's text on standard input
  cat >"$fakes/$1"
  chmod +x "$fakes/$1"
}

# A function of the script, without its last line.
source_script() { sed '$d' "$script" >"$BATS_TEST_TMPDIR/lib.sh"; }

@test "an unknown option is refused with status 64, and --help says what there is" {
  run sh "$script" --frobnicate
  [ "$status" -eq 64 ]
  [[ "$output" == *"unknown option --frobnicate"* ]]
  run sh "$script" --help
  [ "$status" -eq 0 ]
  [[ "$output" == *"--offline DIR"* ]]
}

@test "a token that cannot be read is refused before anything is looked at" {
  run sh "$script" --join --check <<<"lpj_garbage"
  [ "$status" -eq 65 ]
  [[ "$output" == *"the join token cannot be read"* ]]
  [[ "$output" != *"checking this machine"* ]]
}

@test "a download that was cut off anywhere runs nothing" {
  lines=$(wc -l <"$script")
  for at in 1 20 100 300 500 $((lines - 40)) $((lines - 1)); do
    head -n "$at" "$script" >"$BATS_TEST_TMPDIR/cut.sh"
    run sh "$BATS_TEST_TMPDIR/cut.sh" --check
    # Either a syntax error (an unfinished function), or functions alone.
    [[ "$output" != *"checking this machine"* ]]
  done
}

@test "the table has one line for each thing, and changes nothing" {
  before=$(ls -la /etc /usr/local/lib | sha256sum)
  run sh "$script" --check --offline "$release" --base-port 47200
  for name in system kernel processor systemd "cgroup v2" btrfs disk clock port rights programs OpenSSH source; do
    [[ "$output" == *"$name: "* ]]
  done
  [ "$before" = "$(ls -la /etc /usr/local/lib | sha256sum)" ]
}

@test "each red line has its fix, and status 69 says that nothing was changed" {
  fake uname <<'END'
#!/bin/sh
case $1 in -r) echo 4.19.0 ;; -m) echo riscv64 ;; *) echo Linux ;; esac
END
  fake df <<'END'
#!/bin/sh
printf 'Filesystem 1024-blocks Used Available Capacity Mounted\n/dev/x 100 100 0 100%% /\n'
END
  run sh "$script" --check --offline "$release" --base-port 47200
  [ "$status" -eq 69 ]
  [[ "$output" == *"BAD  kernel: 4.19.0"*"fix: Use a kernel of 5.12"* ]]
  [[ "$output" == *"BAD  processor: riscv64"*"fix: Use an x86-64 or arm64"* ]]
  [[ "$output" == *"BAD  disk: 0 GiB free"*"fix: Free at least"* ]]
  [[ "$output" == *"nothing was changed"* ]]
}

@test "a host of another hub is refused in the table, unless it is to leave that one" {
  mkdir -p "$BATS_TEST_TMPDIR/data/project-host"
  printf '{\n  "hub_id": "of-before",\n  "host_id": "x"\n}\n' >"$BATS_TEST_TMPDIR/data/project-host/host.json"
  token_of() {
    printf 'lpj_%s.x' "$(printf '{"hub_id":"%s","addresses":["127.0.0.1"],"https_port":1,"exp":%s,"tls_pin":"x"}' \
      "$1" $(($(date +%s) + 1000)) | base64 -w 0 | tr '/+' '_-')"
  }
  join() { sh "$script" --join --check --offline "$release" --data-dir "$BATS_TEST_TMPDIR/data" --base-port 47200 "$@"; }
  run join <<<"$(token_of of-now)"
  [ "$status" -eq 69 ]
  [[ "$output" == *"BAD  hub: this machine is a host of another hub already"*"fix: To leave that hub"* ]]
  run join --replace <<<"$(token_of of-now)"
  [[ "$output" != *"another hub"* ]]
  run join <<<"$(token_of of-before)"
  [[ "$output" != *"another hub"* ]]
}

@test "a port in use is named" {
  python3 -c 'import socket,time; s=socket.socket(); s.bind(("127.0.0.1",47601)); s.listen(); time.sleep(30)' &
  listener=$!
  sleep 0.5
  run sh "$script" --check --offline "$release" --base-port 47600
  kill "$listener"
  [[ "$output" == *"BAD  port: 47601 is in use"* ]]
}

@test "an old OpenSSH and an old podman are named" {
  fake ssh <<'END'
#!/bin/sh
echo "OpenSSH_7.4p1, OpenSSL" >&2
END
  fake podman <<'END'
#!/bin/sh
echo podman version 2.1.1
END
  run sh "$script" --check --offline "$release" --base-port 47200
  [[ "$output" == *"BAD  OpenSSH: 7.4"* ]]
  [[ "$output" == *"BAD  podman: 2"* ]]
}

@test "a script that belongs to no release says so" {
  cp "$script" "$BATS_TEST_TMPDIR/alone.sh"
  run sh "$BATS_TEST_TMPDIR/alone.sh" --check --base-port 47200
  [[ "$output" == *"BAD  source: this script belongs to no release"* ]]
}

verify() { # runs check_signature of the script with this RELEASE_KEY
  source_script
  stage=$BATS_TEST_TMPDIR/stage
  mkdir -p "$stage"
  run sh -c '. "$1"; RELEASE_KEY=$2 offline=$3 stage=$4 LIB=$5 hub= version_wanted=; check_signature; verified cocalc-hub-linux-x64 "$stage/cocalc-hub"' \
    sh "$BATS_TEST_TMPDIR/lib.sh" "$1" "$release" "$stage" "$BATS_TEST_TMPDIR/lib"
}

@test "a signed release is taken; a forged list, a forged file and a foreign key are not" {
  ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/key"
  ssh-keygen -q -t ed25519 -N '' -f "$BATS_TEST_TMPDIR/other"
  key=$(cut -d' ' -f1,2 "$BATS_TEST_TMPDIR/key.pub")
  ssh-keygen -q -Y sign -f "$BATS_TEST_TMPDIR/key" -n cocalc-release "$release/SHA256SUMS"
  verify "$key"
  [ "$status" -eq 0 ]
  [[ "$output" == *"signature and list of files hold"* ]]

  rm -rf "$BATS_TEST_TMPDIR/stage"
  echo forged >>"$release/cocalc-hub-linux-x64"
  verify "$key"
  [ "$status" -eq 69 ]
  [[ "$output" == *"came damaged"* ]]

  list
  verify "$key"
  [ "$status" -eq 65 ]
  [[ "$output" == *"the signature does not hold"* ]]

  rm "$release/SHA256SUMS.sig"
  ssh-keygen -q -Y sign -f "$BATS_TEST_TMPDIR/other" -n cocalc-release "$release/SHA256SUMS"
  verify "$key"
  [ "$status" -eq 65 ]

  # The key that was installed outranks the one in a script that comes with the forgery.
  mkdir -p "$BATS_TEST_TMPDIR/lib"
  echo "$key" >"$BATS_TEST_TMPDIR/lib/release-key"
  verify "$(cut -d' ' -f1,2 "$BATS_TEST_TMPDIR/other.pub")"
  [ "$status" -eq 65 ]
}

@test "a held package lock is named with who holds it" {
  source_script
  lock=$BATS_TEST_TMPDIR/lock
  sed -i "s|/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock|$lock|" "$BATS_TEST_TMPDIR/lib.sh"
  : >"$lock"
  python3 -c 'import fcntl,sys,time; f=open(sys.argv[1],"w"); fcntl.lockf(f,fcntl.LOCK_EX); print("held",flush=True); time.sleep(30)' "$lock" >"$lock.held" &
  holder=$!
  while [ ! -s "$lock.held" ]; do sleep 0.1; done
  run sh -c '. "$1"; say_apt_lock' sh "$BATS_TEST_TMPDIR/lib.sh"
  kill "$holder"
  [[ "$output" == *"waiting for another package manager to finish: python3 (pid $holder)"* ]]
}

@test "this machine is not a second kind of installation on top of the first" {
  source_script
  mkdir -p "$BATS_TEST_TMPDIR/lib"
  echo role=host >"$BATS_TEST_TMPDIR/lib/settings"
  sed "s|^LIB=.*|LIB=$BATS_TEST_TMPDIR/lib|" "$script" >"$BATS_TEST_TMPDIR/moved.sh"
  run sh "$BATS_TEST_TMPDIR/moved.sh" --check --offline "$release"
  [ "$status" -eq 78 ]
  [[ "$output" == *"this machine is installed as a host"* ]]
}

@test "where AppArmor forbids user namespaces, the hub's sshd is given a profile, said and noted; elsewhere nothing is" {
  source_script
  mkdir -p "$BATS_TEST_TMPDIR/lib" "$BATS_TEST_TMPDIR/profiles"
  sed -i "s|^LIB=.*|LIB=$BATS_TEST_TMPDIR/lib|; s|/proc/sys/kernel/apparmor|$BATS_TEST_TMPDIR/apparmor|; s|/etc/apparmor.d/|$BATS_TEST_TMPDIR/profiles/|" \
    "$BATS_TEST_TMPDIR/lib.sh"
  profile=$BATS_TEST_TMPDIR/profiles/cocalc-sshd
  restrict=$BATS_TEST_TMPDIR/apparmor_restrict_unprivileged_userns
  loaded=$BATS_TEST_TMPDIR/loaded
  # A kernel that is not Ubuntu's cannot take the profile.
  fake apparmor_parser <<<"#!/bin/sh
echo \"\$@\" >>$loaded
[ ! -e $BATS_TEST_TMPDIR/refuse ]"
  made() { run sh -c '. "$1"; join=$2; apparmor' sh "$BATS_TEST_TMPDIR/lib.sh" "$1"; }
  made 0
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  echo 0 >"$restrict"
  made 0
  [ ! -e "$profile" ]
  echo 1 >"$restrict"
  # A host has no jail.
  made 1
  [ ! -e "$profile" ]
  made 0
  [ "$status" -eq 0 ]
  [[ "$output" == *"forbids user namespaces to ordinary programs: a profile allows them to cocalc-sshd"* ]]
  [ "$(cat "$loaded")" = "-r $profile" ]
  grep -qx "file $profile" "$BATS_TEST_TMPDIR/lib/receipt"
  grep -qF "AppArmorProfile=-$(sed -n 's/^profile \([^ ]*\) .*/\1/p' "$profile")" "$BATS_TEST_DIRNAME/../../systemd/cocalc-sshd.service"
  : >"$BATS_TEST_TMPDIR/refuse"
  made 0
  [ "$status" -eq 0 ]
  [[ "$output" == *"apparmor_parser refused the profile: backups stay closed"* ]]
}
