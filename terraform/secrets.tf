# The credentials of the mailbox. Terraform makes their places and never knows what is in them: no variable, no state
# and no output holds a secret.

resource "google_secret_manager_secret" "credential" {
  for_each = toset(["client-id", "client-secret", "refresh-token"])

  project   = var.project_id
  secret_id = "${var.name}-gmail-${each.key}"
  labels    = local.labels

  replication {
    auto {}
  }

  # Without them the mailbox must be authorized anew.
  deletion_protection = var.deletion_protection
  # A version that is destroyed by mistake can be had back for a day.
  version_destroy_ttl = "86400s"

  depends_on = [google_project_service.required]
}

# A mount needs a version to be there. A line break counts as none, so the first deployment comes up and says
# not_configured. The true versions come later and from elsewhere; "latest" is what is mounted.
resource "google_secret_manager_secret_version" "empty" {
  for_each = google_secret_manager_secret.credential

  secret      = each.value.id
  secret_data = "\n"
  # Nothing is undone or deleted here after the first time.
  deletion_policy = "ABANDON"

  lifecycle {
    ignore_changes = [enabled, secret_data]
  }
}

locals {
  credential_readers = {
    for pair in setproduct([for key, function in local.functions : key if function.credentials], keys(google_secret_manager_secret.credential)) :
    "${pair[0]} ${pair[1]}" => { function = pair[0], credential = pair[1] }
  }
}

resource "google_secret_manager_secret_iam_member" "function_reads" {
  for_each = local.credential_readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.credential[each.value.credential].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.function_emails[each.value.function]}"
}
