# Which Terraform and which providers. The state stays in this folder unless backend.tf says otherwise
# (backend.tf.example): plain `terraform init` must work without a bucket.

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
  }
}

provider "google" {
  project = var.project_id
  region  = var.region
}
