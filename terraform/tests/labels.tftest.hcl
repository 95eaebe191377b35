# Labels of all resources that support them.

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
}

run "labels_all_resources_that_support_labels" {
  command = plan
  variables {
    labels = { team = "orders" }
  }

  assert {
    condition = alltrue([for labels in concat(
      [for service in local.all_services : service.labels],
      [for service in local.all_services : service.template[0].labels],
      [for secret in google_secret_manager_secret.credential : secret.labels],
      [google_artifact_registry_repository.functions.labels],
      [google_pubsub_subscription.dead_letter[0].labels, google_pubsub_subscription.gmail_push[0].labels],
      [google_pubsub_topic.dead_letter[0].labels, google_pubsub_topic.gmail[0].labels],
      [google_sql_database_instance.main[0].settings[0].user_labels],
      [google_storage_bucket.source.labels],
    ) : labels["app"] == "email-monitor" && labels["team"] == "orders"])
    error_message = "Resources without labels are missing from cost reports by label."
  }
}

run "labels_variable_cannot_override_app" {
  command = plan
  variables {
    labels = { app = "other" }
    name   = "orders-mail"
  }

  assert {
    condition     = google_storage_bucket.source.labels["app"] == "orders-mail"
    error_message = "The label app must be the name of the deployment."
  }
}
