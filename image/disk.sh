#!/bin/bash
# A bootable disk from a tree: GPT, GRUB for BIOS and UEFI, ext4; without a loop device or a mount.
# usage: disk.sh TREE OUT.raw [SIZE_MIB]
set -euo pipefail

tree=$1
raw=$2
size=${3:-2560}
grub=${GRUBLIB:-/usr/lib/grub}
work=$(mktemp -d "$(dirname "$raw")/disk.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Sectors of 512 bytes: 1 MiB for GRUB's core, 64 MiB ESP, the rest root.
mib=2048
bios=$mib
esp=$((2 * mib))
esp_length=$((64 * mib))
root=$((66 * mib))
root_length=$((size * mib - root - mib))
rm -f "$raw"
truncate -s "${size}M" "$raw"
sfdisk -q "$raw" <<END
label: gpt
start=$bios, size=$mib, type=21686148-6449-6E6F-744E-656564454649, name=bios
start=$esp, size=$esp_length, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=esp
start=$root, size=$root_length, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=root
END
mkfs.ext4 -q -F -L cocalc-root -m 1 -d "$tree" \
  -E "offset=$((root * 512)),root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1" -O '^metadata_csum_seed' \
  "$raw" "$((root_length / 2))k"

# One embedded configuration finds the root by its label: an upgrade of the kernel changes nothing here.
cat >"$work/embed.cfg" <<'END'
search --no-floppy --label --set=root cocalc-root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
END
modules="part_gpt ext2 fat search search_label linux normal configfile serial terminal echo test sleep reboot halt ls cat"
# shellcheck disable=SC2086 # lists of modules
grub-mkimage -d "$grub/x86_64-efi" -O x86_64-efi -p /boot/grub -c "$work/embed.cfg" -o "$work/BOOTX64.EFI" \
  $modules efi_gop efi_uga gfxterm all_video
# shellcheck disable=SC2086
grub-mkimage -d "$grub/i386-pc" -O i386-pc -p /boot/grub -c "$work/embed.cfg" -o "$work/core.img" biosdisk $modules
mformat -i "$raw@@$((esp * 512))" -T "$esp_length" -h 16 -s 63 -F -v COCALC-ESP ::
mmd -i "$raw@@$((esp * 512))" ::/EFI ::/EFI/BOOT
mcopy -i "$raw@@$((esp * 512))" "$work/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI

# BIOS: boot.img in the MBR's code area names the core's first sector (at 0x5c), and the core's own block list its
# second (at 0x1f4), as grub-bios-setup writes them; two NOPs at 0x66 switch the floppy fallback off.
le64() {
  local value=$1 byte
  for byte in 0 1 2 3 4 5 6 7; do printf '%b' "\\x$(printf %02x $(((value >> (8 * byte)) & 255)))"; done
}
[ "$(stat -c %s "$work/core.img")" -le $((mib * 512)) ]
dd if="$grub/i386-pc/boot.img" of="$raw" bs=1 count=440 conv=notrunc status=none
le64 "$bios" | dd of="$raw" bs=1 seek=$((0x5c)) conv=notrunc status=none
printf '\x90\x90' | dd of="$raw" bs=1 seek=$((0x66)) conv=notrunc status=none
le64 $((bios + 1)) | dd of="$work/core.img" bs=1 seek=$((0x1f4)) conv=notrunc status=none
dd if="$work/core.img" of="$raw" bs=512 seek="$bios" conv=notrunc status=none
