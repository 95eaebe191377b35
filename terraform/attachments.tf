# The bucket of large attachments and raw emails, and attachment-url, which gives consumers signed URLs to it. With
# `attachments_bucket = false` neither exists, and all bytes are in the database.

locals {
  # Fields as in locals.tf. A request is one statement and one signature, so one connection suffices.
  attachment_functions = var.attachments_bucket ? {
    attachment-url = {
      target      = "attachmentUrl", account = "attachment_url", fetches = false, credentials = false, controls_scheduler = false, pool = 1, instances = 1, concurrency = 20
      memory      = "512Mi"
      environment = {}
    }
    # One connection less, as the console has for the same work, so that the default database still suffices.
    poll-now = merge(local.all_functions["poll-now"], { pool = 2 })
  } : {}

  bucket_environment = {
    ATTACHMENTS_BUCKET    = join("", google_storage_bucket.attachments[*].name)
    ATTACHMENTS_MIN_BYTES = var.attachments_min_bytes
  }

  # ingest stores emails and deletes what no row refers to any more. The console parses emails again and serves downloads.
  bucket_roles = var.attachments_bucket ? merge(
    { for account in distinct([for function in local.functions : function.account if function.fetches]) : account => "roles/storage.objectUser" },
    { attachment_url = "roles/storage.objectViewer" },
  ) : {}

  # Consumers already read the attachments in the database.
  attachment_readers = setunion([for email in values(var.consumers) : "serviceAccount:${email}"], var.attachment_readers)
}

resource "google_storage_bucket" "attachments" {
  count = var.attachments_bucket ? 1 : 0

  project  = var.project_id
  name     = "${var.project_id}-${var.name}-attachments"
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

  # Erased means gone: no soft delete, which by default keeps deleted objects for a week, and no older versions. An object
  # never changes, because its name is the SHA-256 of its content.
  soft_delete_policy {
    retention_duration_seconds = 0
  }
  versioning {
    enabled = false
  }

  # Parts of an interrupted upload are invisible, but charged.
  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # While false, Cloud Storage refuses to delete a bucket that contains objects.
  force_destroy = !var.deletion_protection

  depends_on = [time_sleep.apis]
}

resource "google_storage_bucket_iam_member" "function_uses_attachments" {
  for_each = local.bucket_roles

  bucket = google_storage_bucket.attachments[0].name
  role   = each.value
  member = "serviceAccount:${local.account_emails[each.key]}"
}

# A signed URL grants what its signer may do: attachment-url signs as its own account (signBlob), which may only read.
resource "google_service_account_iam_member" "attachment_url_signs" {
  count = var.attachments_bucket ? 1 : 0

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.account_emails["attachment_url"]}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${local.account_emails["attachment_url"]}"
}
