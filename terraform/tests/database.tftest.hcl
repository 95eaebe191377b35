# The database: connections, protection, backups, users.

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

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # The functions stay within the connection budget.
  assert {
    condition     = 2 * sum([for key, service in local.all_services : service.template[0].scaling[0].max_instance_count * local.functions[key].pool]) == 34
    error_message = "The functions must need 17 connections, doubled during a rollout."
  }
  assert {
    condition     = one([for flag in google_sql_database_instance.main[0].settings[0].database_flags : tonumber(flag.value) if flag.name == "max_connections"]) * 0.7 >= 34
    error_message = "The functions must use at most 70 % of the instance's connections."
  }
  assert {
    condition     = local.connections_needed == 34 && local.connections_allowed == 35
    error_message = "The precondition must compare these numbers."
  }

  # Only service accounts log in, and only through connectors.
  assert {
    condition     = contains([for flag in google_sql_database_instance.main[0].settings[0].database_flags : "${flag.name}=${flag.value}"], "cloudsql.iam_authentication=on")
    error_message = "Without this flag service accounts cannot log in."
  }
  assert {
    condition     = contains([for flag in google_sql_database_instance.main[0].settings[0].database_flags : "${flag.name}=${flag.value}"], "idle_in_transaction_session_timeout=60000")
    error_message = "A client that leaves a transaction open must not keep emails locked."
  }
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].connector_enforcement == "REQUIRED" && length(google_sql_database_instance.main[0].settings[0].ip_configuration[0].authorized_networks) == 0
    error_message = "Only Google's connectors may reach the public address."
  }
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].ip_configuration[0].ssl_mode == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    error_message = "Every connection must present a client certificate."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.function : user.type == "CLOUD_IAM_SERVICE_ACCOUNT" && user.password == null])
    error_message = "Users of functions must not have passwords."
  }

  # Backups and point-in-time recovery are enabled.
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].backup_configuration[0].enabled && google_sql_database_instance.main[0].settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "Backups and point-in-time recovery must be enabled."
  }
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].backup_configuration[0].transaction_log_retention_days == 7 && google_sql_database_instance.main[0].settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 14
    error_message = "Point-in-time recovery must cover 7 days, and 14 daily backups must be kept."
  }
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].disk_autoresize && google_sql_database_instance.main[0].settings[0].disk_autoresize_limit == 100
    error_message = "The disk must grow automatically, up to a limit that bounds the cost."
  }
  assert {
    condition     = google_sql_database_instance.main[0].settings[0].edition == "ENTERPRISE" && google_sql_database_instance.main[0].database_version == "POSTGRES_18"
    error_message = "The edition must be explicit, because the default has no small tiers. The version must be the one that the tests use."
  }

  # Deletion protection is on by default.
  assert {
    condition     = google_sql_database_instance.main[0].deletion_protection && google_sql_database_instance.main[0].settings[0].deletion_protection_enabled
    error_message = "The database must be protected in Terraform and in Cloud SQL."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : secret.deletion_protection]) && alltrue([for service in local.all_services : service.deletion_protection])
    error_message = "The credentials and the services must be protected."
  }
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

run "only_migrate_may_create_tables" {
  command = plan
  variables {
    consumers = { extraction = "phase3@orders-example.iam.gserviceaccount.com" }
  }

  assert {
    condition     = { for key, user in google_sql_user.function : key => user.database_roles if user.database_roles != null } == { migrate = tolist(["cloudsqlsuperuser"]) }
    error_message = "Only migrate may have the superuser role, which would bypass the grants of migrate."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.consumer : user.database_roles == null])
    error_message = "A consumer must have no role, only what migrate grants it."
  }
}

run "deletion_protection_can_be_turned_off" {
  command = plan
  variables {
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
}
