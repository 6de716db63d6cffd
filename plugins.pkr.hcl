# For a current Packer only: 1.6.6 knows no required_plugins and is given packer.pkr.hcl alone.
packer {
  required_version = ">= 1.7.0"
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.1.0"
    }
  }
}
