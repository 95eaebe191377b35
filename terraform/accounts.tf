# Service accounts: one per group of functions, so that each has only the permissions it needs, and three that call or build
# the functions. The IAM grants are in the file of the resource that they apply to.

locals {
  # The functions by account: ingest runs poll, gmail-push, poll-now and ingest-mailbox; control runs start and stop.
  functions_by_account = { for key, function in local.functions : function.account => key... }

  # An account id has at most 30 characters and no underscores. A longer suffix would also exceed the length of a database user.
  account_ids = { for key in keys(local.functions_by_account) : key => "${var.name}-${trimsuffix(key, "_url")}" }
}

resource "google_service_account" "function" {
  for_each = local.functions_by_account

  project      = var.project_id
  account_id   = local.account_ids[each.key]
  display_name = "${var.name} ${each.key}"
  description  = "Runs as this account: ${join(", ", each.value)}."

  depends_on = [time_sleep.apis]
}

resource "google_service_account" "scheduler_invoker" {
  project      = var.project_id
  account_id   = "${var.name}-scheduler"
  display_name = "${var.name} scheduler-invoker"
  description  = "Cloud Scheduler calls poll as this account."

  depends_on = [time_sleep.apis]
}

resource "google_service_account" "pubsub_invoker" {
  count = var.push ? 1 : 0

  project      = var.project_id
  account_id   = "${var.name}-pubsub"
  display_name = "${var.name} pubsub-invoker"
  description  = "Pub/Sub pushes to gmail-push as this account."

  depends_on = [time_sleep.apis]
}

resource "google_service_account" "build" {
  project      = var.project_id
  account_id   = "${var.name}-build"
  display_name = "${var.name} build"
  description  = "Cloud Build builds the image of the functions as this account."

  depends_on = [time_sleep.apis]
}

# Email addresses, composed from values that are known before apply, so that a plan shows complete environments and grants.
locals {
  account_emails = {
    for key, account in google_service_account.function : key => "${account.account_id}@${account.project}.iam.gserviceaccount.com"
  }
  scheduler_invoker_email = "${google_service_account.scheduler_invoker.account_id}@${google_service_account.scheduler_invoker.project}.iam.gserviceaccount.com"
  pubsub_invoker_email    = one([for account in google_service_account.pubsub_invoker : "${account.account_id}@${account.project}.iam.gserviceaccount.com"])
  build_email             = "${google_service_account.build.account_id}@${google_service_account.build.project}.iam.gserviceaccount.com"
}
