# The database: connections and protection. defaults.tftest.hcl has the default instance, options.tftest.hcl an existing one.

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

run "rejects_a_tier_with_too_few_connections" {
  command = plan
  variables {
    database_tier = "db-f1-micro"
  }
  expect_failures = [google_sql_database.main]
}

run "rejects_more_instances_than_the_tier_has_connections_for" {
  command = plan
  variables {
    max_instances = { poll-now = 2 }
  }
  expect_failures = [google_sql_database.main]
}

run "accepts_more_instances_on_a_larger_tier" {
  command = plan
  variables {
    database_tier = "db-custom-1-3840"
    max_instances = { console = 4, poll-now = 2 }
  }

  assert {
    condition     = google_cloud_run_v2_service.function["console"].template[0].scaling[0].max_instance_count == 4 && google_cloud_run_v2_service.function["poll-now"].template[0].scaling[0].max_instance_count == 2
    error_message = "The services must use max_instances."
  }
  assert {
    condition     = contains([for flag in google_sql_database_instance.main[0].settings[0].database_flags : "${flag.name}=${flag.value}"], "max_connections=100")
    error_message = "The larger tier must allow its 100 connections."
  }
}

run "deletion_protection_can_be_turned_off" {
  command = plan
  variables {
    attachments_bucket  = true
    deletion_protection = false
  }

  assert {
    condition     = !google_sql_database_instance.main[0].deletion_protection && !google_sql_database_instance.main[0].settings[0].deletion_protection_enabled
    error_message = "An operator must be able to destroy the database."
  }
  assert {
    condition     = !anytrue([for secret in google_secret_manager_secret.credential : secret.deletion_protection]) && !anytrue([for service in local.all_services : service.deletion_protection])
    error_message = "An operator must be able to destroy the credentials and the services."
  }
  assert {
    condition     = google_storage_bucket.attachments[0].force_destroy
    error_message = "An operator must be able to destroy the deployment with its objects."
  }
}
