# Secrets for the mailbox credentials. Terraform creates the secrets but never handles their values: no variable, state or
# output contains a credential.

locals {
  # A key encrypts only replicas in its own location, so with kms_key the secrets cannot be replicated automatically.
  secret_locations = length(var.secret_locations) == 0 && var.kms_key != null ? toset([var.region]) : var.secret_locations
}

resource "google_secret_manager_secret" "credential" {
  for_each = toset(["client-id", "client-secret", "refresh-token"])

  project   = var.project_id
  secret_id = "${var.name}-gmail-${each.key}"
  labels    = local.labels

  # Cannot be changed later: Terraform would replace the secrets, which deletion_protection prevents.
  replication {
    dynamic "auto" {
      for_each = length(local.secret_locations) == 0 ? [1] : []
      content {}
    }
    dynamic "user_managed" {
      for_each = length(local.secret_locations) == 0 ? [] : [1]
      content {
        dynamic "replicas" {
          for_each = local.secret_locations
          content {
            location = replicas.value
            dynamic "customer_managed_encryption" {
              for_each = var.kms_key == null ? [] : [1]
              content {
                kms_key_name = var.kms_key
              }
            }
          }
        }
      }
    }
  }

  # If the secrets are lost, the mailbox must be authorized again.
  deletion_protection = var.deletion_protection
  # A destroyed version can be restored for one day.
  version_destroy_ttl = "86400s"

  depends_on = [time_sleep.apis]
}

# A mount requires at least one version. The functions treat a line break as "no credential", so the first deployment starts
# and reports not_configured. The operator adds the real versions later. The services mount "latest".
resource "google_secret_manager_secret_version" "empty" {
  for_each = google_secret_manager_secret.credential

  secret      = each.value.id
  secret_data = "\n"
  # Terraform neither changes nor deletes this version after creation.
  deletion_policy = "ABANDON"

  lifecycle {
    ignore_changes = [enabled, secret_data]
  }
}

locals {
  credential_readers = {
    for pair in setproduct(distinct([for function in local.functions : function.account if function.credentials]), keys(google_secret_manager_secret.credential)) :
    "${pair[0]} ${pair[1]}" => { account = pair[0], credential = pair[1] }
  }
}

resource "google_secret_manager_secret_iam_member" "function_reads" {
  for_each = local.credential_readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.credential[each.value.credential].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.account_emails[each.value.account]}"
}
