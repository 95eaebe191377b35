# The deployed source: dist/, the output of `npm run build`, as a zip file in its own bucket.

data "archive_file" "source" {
  type       = "zip"
  source_dir = "${path.module}/../dist"
  # A fixed mode, because file modes differ between machines and the zip must be reproducible.
  output_file_mode = "0644"
  output_path      = "${path.module}/.terraform/source.zip"
}

resource "google_storage_bucket" "source" {
  project  = var.project_id
  name     = "${var.project_id}-${var.name}-source"
  location = var.region
  labels   = local.labels

  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [1]
    content {
      default_kms_key_name = var.kms_key
    }
  }

  # Every object can be built again from its commit.
  force_destroy = true

  depends_on = [google_project_service.required]
}

# The name contains the hash, so a changed source is a new object and triggers new builds. Terraform deletes the old
# object last, because the services still refer to it.
resource "google_storage_bucket_object" "source" {
  bucket       = google_storage_bucket.source.name
  name         = "source-${data.archive_file.source.output_sha256}.zip"
  source       = data.archive_file.source.output_path
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true
  }
}
