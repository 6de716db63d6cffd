# The same appliance as scripts/image, built inside a virtual machine from a base image: the disk that scripts/image
# makes, or Debian's own cloud image. Packer 1.6.6 (qemu built in): packer build -var … packer.pkr.hcl (this file
# alone). A current Packer: packer init . && packer build -var … . (reads plugins.pkr.hcl too).
variable "base_image" {
  type        = string
  description = "A Debian 13 disk with cloud-init."
}
variable "base_checksum" {
  type        = string
  description = "SHA-256 of it."
}
variable "release" {
  type        = string
  description = "Directory of an unpacked release (scripts/release)."
}
variable "seed_iso" {
  type        = string
  description = "NoCloud disk with a user `packer`, whose key is ssh_key (image/packer-seed.sh makes it)."
}
variable "ssh_key" {
  type = string
}
variable "accelerator" {
  type    = string
  default = "kvm"
}
variable "cpu" {
  type    = string
  default = "host"
}
variable "cpus" {
  type        = number
  default     = 2
  description = "1 where QEMU emulates: with two it can run an instruction that the other is just patching."
}
variable "output" {
  type    = string
  default = "output"
}

source "qemu" "appliance" {
  disk_image             = true
  iso_url                = var.base_image
  iso_checksum           = "sha256:${var.base_checksum}"
  accelerator            = var.accelerator
  machine_type           = "q35"
  cpus                   = var.cpus
  memory                 = 2048
  disk_size              = "6G"
  format                 = "qcow2"
  disk_interface         = "virtio"
  disk_cache             = "unsafe"
  disk_discard           = "unmap"
  disk_detect_zeroes     = "unmap"
  skip_compaction        = true
  disk_compression       = false
  net_device             = "virtio-net"
  headless               = true
  # A -device here replaces Packer's own, so the network's is said again.
  qemuargs               = [["-cpu", var.cpu], ["-cdrom", var.seed_iso], ["-device", "virtio-rng-pci"], ["-device", "virtio-net,netdev=user.0"]]
  boot_wait              = "1s"
  communicator           = "ssh"
  ssh_username           = "packer"
  ssh_private_key_file   = var.ssh_key
  ssh_timeout            = "15m"
  ssh_handshake_attempts = 100
  # In a unit of its own: sealing removes the user of this very session.
  shutdown_command       = "sudo systemd-run --no-block --collect sh -c '/provision/provision/90-seal.sh; systemctl poweroff --force'"
  shutdown_timeout       = "5m"
  output_directory       = var.output
  vm_name                = "cocalc-appliance.qcow2"
}

build {
  sources = ["source.qemu.appliance"]

  provisioner "shell" {
    inline = ["sudo install -d -o packer /provision /provision/release"]
  }
  provisioner "file" {
    source      = "image/"
    destination = "/provision"
  }
  provisioner "file" {
    source      = "${var.release}/"
    destination = "/provision/release"
  }
  provisioner "shell" {
    execute_command = "chmod +x {{ .Path }}; sudo {{ .Vars }} sh {{ .Path }}"
    scripts         = ["image/provision/10-system.sh", "image/provision/20-cocalc.sh"]
  }
  provisioner "shell" {
    inline = ["sudo systemd-analyze verify --man=no cocalc.target", "chmod +x /provision/provision/*.sh"]
  }
}
