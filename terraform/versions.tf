# Versions of Terraform and the providers. The state is in this folder unless backend.tf configures another backend (see
# backend.tf.example), so that plain `terraform init` works without a bucket.

terraform {
  required_version = ">= 1.9"

  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.6, < 3"
    }
    google = {
      source  = "hashicorp/google"
      version = ">= 7.40, < 9"
    }
    time = {
      source  = "hashicorp/time"
      version = ">= 0.12, < 1"
    }
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
