# Without push. defaults.tftest.hcl and applied.tftest.hcl have the publisher, the subscription and its dead letters.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "time" {}

variables {
  alert_emails = ["ops@example.com"]
  project_id   = "orders-example"
  # Given, so that nothing is built.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

run "without_push_email_is_found_by_polling_alone" {
  command = plan
  variables {
    push                  = false
    poll_interval_seconds = 300
    operators             = ["group:orders@example.com"]
  }

  assert {
    condition = length(concat(
      google_pubsub_topic.gmail, google_pubsub_topic.dead_letter,
      google_pubsub_subscription.gmail_push, google_pubsub_subscription.dead_letter,
      google_pubsub_topic_iam_member.gmail_publishes, google_pubsub_topic_iam_member.pubsub_sets_aside,
      google_pubsub_subscription_iam_member.pubsub_acknowledges, google_service_account_iam_member.pubsub_signs,
      google_service_account.pubsub_invoker,
    )) == 0
    error_message = "An organization that forbids Gmail's account would reject the grant, and the rest has no use without it."
  }
  assert {
    condition     = !contains(keys(google_project_service.required), "pubsub.googleapis.com")
    error_message = "The API of Pub/Sub must not be enabled."
  }
  assert {
    condition     = toset(keys(local.all_services)) == toset(["console", "migrate", "poll", "poll-now", "start", "status", "stop"])
    error_message = "Only gmail-push must be missing."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : one([for env in service.template[0].containers[0].env : env.value if env.name == "GMAIL_PUBSUB_TOPIC"]) == ""])
    error_message = "Without a topic the functions must not register a watch."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.name != "email-monitor-gmail-push"])
    error_message = "There must be no grant on the missing service."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "The scheduler job must call poll as before."
  }

  # Only the alerts on push are missing.
  assert {
    condition     = setsubtract(keys(local.all_alerts), keys(google_monitoring_alert_policy.alert)) == toset(["mailboxes-wait-for-an-instance", "pushes-are-given-up", "watch-is-ending"])
    error_message = "Without push no watch ends and no push is given up."
  }
  assert {
    condition     = !contains(keys(google_logging_metric.counter), "runs-with-watch-ending")
    error_message = "A counter without an alert has no use."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.alert["mail-is-stored-late"].conditions[0].condition_prometheus_query_language[0].query, " > 360000") && contains(google_logging_metric.value["arrival-to-stored-ms"].bucket_options[0].explicit_buckets[0].bounds, 360000)
    error_message = "Without push an email may wait for one poll interval in addition."
  }
  assert {
    condition     = !strcontains(local.alerts["mail-is-stored-late"].display_name, "push") && local.runbook.push == false
    error_message = "The runbook must not suggest to repair push."
  }
}
