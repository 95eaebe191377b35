# Many mailboxes: poll publishes one message per due mailbox on the work topic, and Pub/Sub calls ingest-mailbox with it. With
# `mailbox_instances = 0` none of this exists, and poll works on the mailboxes itself. mailbox-access.tf has their credentials.

locals {
  fan_out = var.mailbox_instances > 0

  # Fields as in locals.tf. An instance runs four mailboxes at once, because a run mostly waits for Gmail. Two connections per
  # run suffice: one stores emails, the other extends the lease. One email above 1 MiB is read at a time per instance; the
  # memory has room for it and for the smaller emails of four runs.
  mailbox_functions = local.fan_out ? {
    ingest-mailbox = {
      target      = "ingestMailbox", account = "ingest", fetches = true, credentials = true, controls_scheduler = false, pool = 8, instances = var.mailbox_instances, concurrency = 4
      memory      = "2Gi"
      environment = {}
    }
    # Each push can be for another mailbox, so it needs as much as ingest-mailbox.
    gmail-push = merge(local.all_functions["gmail-push"], { pool = 8, concurrency = 4, memory = "2Gi" })
  } : {}

  # The console publishes too, because it serves poll-now.
  dispatching_accounts = local.fan_out ? toset([for function in local.functions : function.account if function.fetches]) : toset([])

  # A dispatch that is older than this is useless: poll has published the mailbox again. The shortest that Pub/Sub allows.
  work_retention_seconds = 600

  # How many mailboxes can be synchronized at the same moment. A lease allows one run per mailbox, so poll, poll-now and console
  # count once per instance: their other requests answer "busy". Each push can be for another mailbox.
  parallel_runs = sum([
    for key, function in local.functions :
    local.instances[key] * (contains(["gmail-push", "ingest-mailbox"], key) ? function.concurrency : 1) if function.fetches
  ])
  units_per_minute_needed = local.parallel_runs * var.gmail_quota_units_per_minute
}

resource "google_pubsub_topic" "work" {
  count = local.fan_out ? 1 : 0

  project      = var.project_id
  name         = "${var.name}-work"
  labels       = local.labels
  kms_key_name = var.kms_key

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_topic_iam_member" "function_dispatches" {
  for_each = local.dispatching_accounts

  project = var.project_id
  topic   = google_pubsub_topic.work[0].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${local.account_emails[each.key]}"
}

# No dead-letter topic: a dispatch contains only which mailbox is due, and the next poll publishes that again.
resource "google_pubsub_subscription" "work" {
  count = local.fan_out ? 1 : 0

  project = var.project_id
  name    = "${var.name}-work"
  topic   = google_pubsub_topic.work[0].id
  labels  = local.labels

  # Also the time that Pub/Sub waits for a response. Longer than the timeout of the service, so that a dispatch is not
  # redelivered while its run continues.
  ack_deadline_seconds       = local.deadline_seconds
  message_retention_duration = "${local.work_retention_seconds}s"

  # Never expire. By default Pub/Sub deletes a subscription after 31 days without deliveries.
  expiration_policy {
    ttl = ""
  }

  # While all instances are busy, Cloud Run answers 429. Waiting for longer than a poll interval has no use.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "60s"
  }

  push_config {
    push_endpoint = google_cloud_run_v2_service.function["ingest-mailbox"].uri
    oidc_token {
      service_account_email = local.work_invoker_email
      audience              = google_cloud_run_v2_service.function["ingest-mailbox"].uri
    }
  }

  lifecycle {
    precondition {
      condition     = local.units_per_minute_needed <= var.gmail_project_quota_units_per_minute
      error_message = "Up to ${local.parallel_runs} mailboxes can be synchronized at once. With ${var.gmail_quota_units_per_minute} units each they may use ${local.units_per_minute_needed} units per minute, but the project has ${var.gmail_project_quota_units_per_minute}. Lower mailbox_instances, gmail_quota_units_per_minute or max_instances of gmail-push; or request a higher quota and set gmail_project_quota_units_per_minute."
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

resource "google_service_account" "work_invoker" {
  count = local.fan_out ? 1 : 0

  project      = var.project_id
  account_id   = "${var.name}-work"
  display_name = "${var.name} work-invoker"
  description  = "Pub/Sub calls ingest-mailbox as this account."

  depends_on = [time_sleep.apis]
}

locals {
  work_invoker_email = one([for account in google_service_account.work_invoker : "${account.account_id}@${account.project}.iam.gserviceaccount.com"])
}

# As for gmail-push: see pubsub.tf.
resource "google_service_account_iam_member" "pubsub_signs_work" {
  count = local.fan_out ? 1 : 0

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.work_invoker_email}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  # Google creates Pub/Sub's service agent with the first topic of a project.
  depends_on = [google_pubsub_topic.work]
}
