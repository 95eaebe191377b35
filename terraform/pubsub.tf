# Push notifications: Gmail publishes to the topic, Pub/Sub calls gmail-push, and undeliverable notifications go to a
# dead-letter topic. Push only reduces latency: if it fails, polling finds the same mail. With `push = false` none of this
# exists.

resource "google_pubsub_topic" "gmail" {
  count = var.push ? 1 : 0

  project      = var.project_id
  name         = "${var.name}-gmail"
  labels       = local.labels
  kms_key_name = var.kms_key

  depends_on = [time_sleep.apis]
}

# Google's service account for Gmail push, the same for all projects.
# https://developers.google.com/workspace/gmail/api/guides/push
resource "google_pubsub_topic_iam_member" "gmail_publishes" {
  count = var.push ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.gmail[0].name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:gmail-api-push@system.gserviceaccount.com"
}

resource "google_pubsub_subscription" "gmail_push" {
  count = var.push ? 1 : 0

  project = var.project_id
  name    = "${var.name}-gmail-push"
  topic   = google_pubsub_topic.gmail[0].id
  labels  = local.labels

  # Also the time that Pub/Sub waits for a response. Longer than the timeout of the service, so that a push is not
  # redelivered while its run continues.
  ack_deadline_seconds = local.deadline_seconds
  # Older notifications are useless: a poll has already found the change.
  message_retention_duration = "86400s"

  # Never expire. By default Pub/Sub deletes a subscription after 31 days without deliveries.
  expiration_policy {
    ttl = ""
  }

  # gmail-push returns 503 while the database is unavailable. Retry after ten seconds to ten minutes.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter[0].id
    max_delivery_attempts = 20
  }

  push_config {
    push_endpoint = google_cloud_run_v2_service.function["gmail-push"].uri
    oidc_token {
      service_account_email = local.pubsub_invoker_email
      audience              = google_cloud_run_v2_service.function["gmail-push"].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

# Pub/Sub must create the identity tokens for its calls. Projects created before April 2021 do not allow this by default.
resource "google_service_account_iam_member" "pubsub_signs" {
  count = var.push ? 1 : 0

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.pubsub_invoker_email}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  # Google creates Pub/Sub's service agent with the first topic of a project.
  depends_on = [google_pubsub_topic.gmail]
}

resource "google_pubsub_topic" "dead_letter" {
  count = var.push ? 1 : 0

  project      = var.project_id
  name         = "${var.name}-gmail-dead-letter"
  labels       = local.labels
  kms_key_name = var.kms_key

  depends_on = [time_sleep.apis]
}

# Keeps dead letters for inspection. A topic without a subscription keeps no messages.
resource "google_pubsub_subscription" "dead_letter" {
  count = var.push ? 1 : 0

  project = var.project_id
  name    = "${var.name}-gmail-dead-letter"
  topic   = google_pubsub_topic.dead_letter[0].id
  labels  = local.labels

  message_retention_duration = "2678400s" # 31 days, the longest
  expiration_policy {
    ttl = ""
  }
}

# To dead-letter a notification, Pub/Sub publishes it to the dead-letter topic and acknowledges it here. Both need a grant.

resource "google_pubsub_topic_iam_member" "pubsub_sets_aside" {
  count = var.push ? 1 : 0

  project = var.project_id
  topic   = google_pubsub_topic.dead_letter[0].name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_acknowledges" {
  count = var.push ? 1 : 0

  project      = var.project_id
  subscription = google_pubsub_subscription.gmail_push[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
