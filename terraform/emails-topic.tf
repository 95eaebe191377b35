# The topic for stored emails: the functions that fetch publish one message per email, and each worker account pulls from a
# subscription of its own. With `publish_emails = false` none of this exists.

locals {
  # poll, gmail-push and poll-now run as ingest. The console also serves poll-now.
  publishing_accounts = var.publish_emails ? toset([for function in local.functions : function.account if function.fetches]) : toset([])

  # By the part before the @, which names the subscription.
  email_subscribers = { for email in var.email_subscribers : split("@", email)[0] => email }
}

resource "google_pubsub_topic" "emails" {
  count = var.publish_emails ? 1 : 0

  project      = var.project_id
  name         = "${var.name}-emails"
  labels       = local.labels
  kms_key_name = var.kms_key

  depends_on = [time_sleep.apis]
}

resource "google_pubsub_topic_iam_member" "function_publishes_emails" {
  for_each = local.publishing_accounts

  project = var.project_id
  topic   = google_pubsub_topic.emails[0].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${local.account_emails[each.key]}"
}

resource "google_pubsub_subscription" "emails" {
  for_each = local.email_subscribers

  project = var.project_id
  name    = "${var.name}-emails-${each.key}"
  topic   = google_pubsub_topic.emails[0].id
  labels  = local.labels

  # The messages of a mailbox have one ordering key. Cannot be changed later.
  enable_message_ordering = true
  ack_deadline_seconds    = 60
  # A worker that is off for longer reads the database.
  message_retention_duration = "604800s"

  # Never expire. By default Pub/Sub deletes a subscription after 31 days without a pull.
  expiration_policy {
    ttl = ""
  }

  # After a worker rejects a message or does not acknowledge it.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }
}

resource "google_pubsub_subscription_iam_member" "subscriber_pulls_emails" {
  for_each = local.email_subscribers

  project      = var.project_id
  subscription = google_pubsub_subscription.emails[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${each.value}"
}
