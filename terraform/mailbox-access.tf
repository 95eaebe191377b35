# Access to the other mailboxes of a deployment: a secret for each, or domain-wide delegation of a Workspace domain. The
# credentials of the first mailbox are in secrets.tf.

locals {
  # start and stop also call Gmail, but only for the first mailbox.
  mailbox_accounts = toset([for function in local.functions : function.account if function.fetches])

  # `npm run authorize -- --mailbox ADDRESS --secret-manager` creates the secret of a mailbox: its name begins with this. Names
  # of deployments contain no underscore, so the prefix of one never matches a secret of another.
  mailbox_secret_prefix = "${var.name}-mailbox_"
}

# The secrets do not exist yet, so the role is granted on the project, and a condition restricts it to their names. IAM
# compares the name of the version, projects/NUMBER/secrets/ID/versions/N, with the number of the project instead of its id.
# https://cloud.google.com/iam/docs/conditions-resource-attributes
resource "google_project_iam_member" "mailbox_secrets" {
  for_each = local.mailbox_accounts

  project = var.project_id
  role    = "roles/secretmanager.secretAccessor"
  member  = "serviceAccount:${local.account_emails[each.key]}"

  condition {
    title       = "only ${local.mailbox_secret_prefix}*"
    description = "Only the credentials of the mailboxes of Email Monitor."
    expression  = "resource.name.startsWith(\"projects/${data.google_project.this.number}/secrets/${local.mailbox_secret_prefix}\")"
  }
}

# Domain-wide delegation without a key: the functions ask Google to sign a token request as this account (signJwt), which a
# Workspace administrator has allowed to read mail. The account itself has no role.
resource "google_service_account" "gmail" {
  count = var.gmail_delegation ? 1 : 0

  project      = var.project_id
  account_id   = "${var.name}-gmail"
  display_name = "${var.name} gmail"
  description  = "Reads the mailboxes of a Workspace domain through domain-wide delegation."

  depends_on = [time_sleep.apis]
}

locals {
  gmail_delegation_email = one([for account in google_service_account.gmail : "${account.account_id}@${account.project}.iam.gserviceaccount.com"])
}

resource "google_service_account_iam_member" "function_signs_as_gmail" {
  for_each = var.gmail_delegation ? local.mailbox_accounts : toset([])

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.gmail_delegation_email}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${local.account_emails[each.key]}"
}
