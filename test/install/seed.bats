#!/usr/bin/env bats
# What the appliance's first boot makes of its settings, in a tree of its own. `settle`, which renders the units anew, is
# a fake that notes what it was asked for; a boot with a real one is test/integration/appliance-long.test.ts.

setup() {
  seed=$BATS_TEST_DIRNAME/../../image/files/usr/local/libexec/cocalc/seed
  export COCALC_ROOT=$BATS_TEST_TMPDIR/root COCALC_CMDLINE=$BATS_TEST_TMPDIR/cmdline COCALC_SETTLE=$BATS_TEST_TMPDIR/settle
  mkdir -p "$COCALC_ROOT/etc/systemd/network" "$COCALC_ROOT/etc/cocalc" "$COCALC_ROOT/root" "$COCALC_ROOT/var/lib/cocalc-seed"
  echo 'BOOT_IMAGE=/vmlinuz root=LABEL=cocalc-root ro quiet' >"$COCALC_CMDLINE"
  printf '#!/bin/sh\necho "$@" >>%s/asked\n' "$BATS_TEST_TMPDIR" >"$COCALC_SETTLE"
  chmod +x "$COCALC_SETTLE"
  file=$COCALC_ROOT/var/lib/cocalc-seed/cocalc.yaml
}

@test "a file sets name, network, key, product, public host and the admin's address" {
  cat >"$file" <<'END'
hostname: lab1
address: 192.168.1.20/24
interface: enp1s0
gateway: 192.168.1.1
dns: 192.168.1.1, 9.9.9.9
ssh_key: ssh-ed25519 AAAAC3NzaC1 ada
product: rocket
public_host: cocalc.example.org
storage_device: /dev/disk/by-id/virtio-projects
admin_mail: ada@example.org
END
  run "$seed"
  [ "$status" -eq 0 ]
  [ "$(cat "$COCALC_ROOT/etc/hostname")" = lab1 ]
  [ "$(cat "$COCALC_ROOT/etc/systemd/network/05-seed.network")" = "$(printf '[Match]\nName=enp1s0\n\n[Network]\nAddress=192.168.1.20/24\nGateway=192.168.1.1\nDNS=192.168.1.1\nDNS=9.9.9.9')" ]
  [ "$(cat "$COCALC_ROOT/root/.ssh/authorized_keys")" = "ssh-ed25519 AAAAC3NzaC1 ada" ]
  [ "$(cat "$BATS_TEST_TMPDIR/asked")" = "--product rocket --public-host cocalc.example.org --storage-device /dev/disk/by-id/virtio-projects" ]
  [ "$(cat "$COCALC_ROOT/var/lib/cocalc-seed/admin-mail")" = ada@example.org ]
}

@test "the kernel's arguments win over the file, and one with blanks stands in double quotes" {
  echo 'hostname: lab1' >"$file"
  echo 'quiet cocalc.hostname=lab2 cocalc.ssh_key="ssh-ed25519 AAAAC3NzaC1 ada" cocalc.public_host=hub.example.org' >"$COCALC_CMDLINE"
  run "$seed"
  [ "$status" -eq 0 ]
  [ "$(cat "$COCALC_ROOT/etc/hostname")" = lab2 ]
  [ "$(cat "$COCALC_ROOT/root/.ssh/authorized_keys")" = "ssh-ed25519 AAAAC3NzaC1 ada" ]
  [ "$(cat "$BATS_TEST_TMPDIR/asked")" = "--public-host hub.example.org" ]
}

@test "what is not understood is told and left out; the rest counts" {
  printf 'hostname: $(reboot)\npublic_host: "a b; rm"\nproduct: rocket\nssh_key: command="x" ssh-ed25519 AAAA\naddress: 300\nstorage_device: vdb\n' >"$file"
  run "$seed"
  [ "$status" -eq 0 ]
  for key in hostname public_host ssh_key address storage_device; do [[ "$output" == *"$key is not what it should be; left out"* ]]; done
  [ ! -e "$COCALC_ROOT/etc/hostname" ]
  [ ! -e "$COCALC_ROOT/root/.ssh" ]
  [ "$(cat "$BATS_TEST_TMPDIR/asked")" = "--product rocket" ]
}

@test "a join token makes it a host, and only root can read the token" {
  echo 'join_token: lpj_eyJ2IjoxfQ.abc_12' >"$file"
  run "$seed"
  [ "$status" -eq 0 ]
  [ "$(cat "$BATS_TEST_TMPDIR/asked")" = "--as-host" ]
  [ "$(stat -c %a "$COCALC_ROOT/var/lib/cocalc-seed/join-token")" = 600 ]
}

@test "without any settings nothing is changed, and there is no second time" {
  run "$seed"
  [ "$status" -eq 0 ]
  [ ! -e "$BATS_TEST_TMPDIR/asked" ]
  [ -e "$COCALC_ROOT/var/lib/cocalc-seed/done" ]
}

@test "user data of cloud-init: ours is taken, the machine's own is left to cloud-init" {
  printf 'hostname: other\nproduct: rocket\n' >"$COCALC_ROOT/etc/cocalc/seed.yaml"
  run "$seed" --cloud
  [ "$status" -eq 0 ]
  [ ! -e "$COCALC_ROOT/etc/hostname" ]
  [ "$(cat "$BATS_TEST_TMPDIR/asked")" = "--product rocket" ]
}
