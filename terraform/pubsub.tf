# Push: Gmail rings at the topic, Pub/Sub calls gmail-push, and what cannot be delivered is kept aside. Only a doorbell:
# polling finds the same mail when all of this fails.

resource "google_pubsub_topic" "gmail" {
  project = var.project_id
  name    = "${var.name}-gmail"
  labels  = local.labels

  depends_on = [google_project_service.required]
}

# Google's own account, the same for everybody. https://developers.google.com/workspace/gmail/api/guides/push
resource "google_pubsub_topic_iam_member" "gmail_publishes" {
  project = var.project_id
  topic   = google_pubsub_topic.gmail.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:gmail-api-push@system.gserviceaccount.com"
}

resource "google_pubsub_subscription" "gmail_push" {
  project = var.project_id
  name    = "${var.name}-gmail-push"
  topic   = google_pubsub_topic.gmail.id
  labels  = local.labels

  # Also how long Pub/Sub waits for an answer: above the timeout of the service, so that a run is not called twice.
  ack_deadline_seconds = local.deadline_seconds
  # A doorbell of yesterday says nothing that a poll has not found.
  message_retention_duration = "86400s"

  # Never: by default a subscription without deliveries is deleted after 31 days.
  expiration_policy {
    ttl = ""
  }

  # 503 while the database is away; ten seconds to ten minutes apart.
  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter.id
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

# Pub/Sub signs the tokens that it calls with. Projects made before April 2021 do not allow it by themselves.
resource "google_service_account_iam_member" "pubsub_signs" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.pubsub_invoker_email}"
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  # Its own account comes into being with the first topic.
  depends_on = [google_pubsub_topic.gmail]
}

resource "google_pubsub_topic" "dead_letter" {
  project = var.project_id
  name    = "${var.name}-gmail-dead-letter"
  labels  = local.labels

  depends_on = [google_project_service.required]
}

# A topic without a subscription keeps nothing. For a person, to look at.
resource "google_pubsub_subscription" "dead_letter" {
  project = var.project_id
  name    = "${var.name}-gmail-dead-letter"
  topic   = google_pubsub_topic.dead_letter.id
  labels  = local.labels

  message_retention_duration = "2678400s" # 31 days, the longest
  expiration_policy {
    ttl = ""
  }
}

# Setting a push aside is publishing it there and acknowledging it here, and Pub/Sub asks IAM for both.

resource "google_pubsub_topic_iam_member" "pubsub_sets_aside" {
  project = var.project_id
  topic   = google_pubsub_topic.dead_letter.name
  role    = "roles/pubsub.publisher"
  member  = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "pubsub_acknowledges" {
  project      = var.project_id
  subscription = google_pubsub_subscription.gmail_push.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
