# The source of the image: dist/, the output of `npm run build`, as a zip file in its own bucket. With var.image nothing is
# built, so no dist/ is needed. The bucket and the image repository stay: var.image may name an older image of this
# deployment.

data "archive_file" "source" {
  count = var.image == null ? 1 : 0

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

  depends_on = [time_sleep.apis]
}

# The name contains the hash, so a changed source is a new object.
resource "google_storage_bucket_object" "source" {
  count = var.image == null ? 1 : 0

  bucket       = google_storage_bucket.source.name
  name         = "source-${data.archive_file.source[0].output_sha256}.zip"
  source       = data.archive_file.source[0].output_path
  content_type = "application/zip"
}
