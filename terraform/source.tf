# What is deployed: dist/, which `npm run build` writes, as one zip in a bucket of its own.

data "archive_file" "source" {
  type       = "zip"
  source_dir = "${path.module}/../dist"
  # The same bytes whoever builds: the modes of files differ from machine to machine.
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
  # Every object can be made again from its commit.
  force_destroy = true

  depends_on = [google_project_service.required]
}

# The hash is in the name: a new source is a new object, and what builds from it changes with it. What is replaced goes
# last, because the services still name it.
resource "google_storage_bucket_object" "source" {
  bucket       = google_storage_bucket.source.name
  name         = "source-${data.archive_file.source.output_sha256}.zip"
  source       = data.archive_file.source.output_path
  content_type = "application/zip"

  lifecycle {
    create_before_destroy = true
  }
}
