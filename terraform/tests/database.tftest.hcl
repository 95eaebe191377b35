# The database: connections, protection, backups, who logs in.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

# All of what a plan without any wish shows, in one: each run costs the reading of the whole schema.
run "plans_what_is_meant_when_nothing_is_wished" {
  command = plan

  # Holds the budget of connections.
  assert {
    condition     = 2 * sum([for key, service in google_cloud_run_v2_service.function : service.template[0].scaling[0].max_instance_count * local.functions[key].pool]) == 34
    error_message = "Seventeen connections, twice during a rollout."
  }
  assert {
    condition     = one([for flag in google_sql_database_instance.main.settings[0].database_flags : tonumber(flag.value) if flag.name == "max_connections"]) * 0.7 >= 34
    error_message = "The functions may take 70 % of what the instance allows."
  }
  assert {
    condition     = local.connections_needed == 34 && local.connections_allowed == 35
    error_message = "What the precondition compares must be these."
  }

  # Logs in by accounts and through connectors only.
  assert {
    condition     = contains([for flag in google_sql_database_instance.main.settings[0].database_flags : "${flag.name}=${flag.value}"], "cloudsql.iam_authentication=on")
    error_message = "Without the flag no account can log in."
  }
  assert {
    condition     = google_sql_database_instance.main.settings[0].connector_enforcement == "REQUIRED" && length(google_sql_database_instance.main.settings[0].ip_configuration[0].authorized_networks) == 0
    error_message = "Nothing but Google's connectors may reach the public address."
  }
  assert {
    condition     = google_sql_database_instance.main.settings[0].ip_configuration[0].ssl_mode == "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    error_message = "Every connection must bring a certificate."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.function : user.type == "CLOUD_IAM_SERVICE_ACCOUNT" && user.password == null])
    error_message = "No function may have a password."
  }

  # Keeps backups and the way back to any moment.
  assert {
    condition     = google_sql_database_instance.main.settings[0].backup_configuration[0].enabled && google_sql_database_instance.main.settings[0].backup_configuration[0].point_in_time_recovery_enabled
    error_message = "Backups and point-in-time recovery must be on."
  }
  assert {
    condition     = google_sql_database_instance.main.settings[0].backup_configuration[0].transaction_log_retention_days == 7 && google_sql_database_instance.main.settings[0].backup_configuration[0].backup_retention_settings[0].retained_backups == 14
    error_message = "A week by the moment, two by the night."
  }
  assert {
    condition     = google_sql_database_instance.main.settings[0].disk_autoresize && google_sql_database_instance.main.settings[0].disk_autoresize_limit == 100
    error_message = "A full disk stops the mail; one that grows for ever is a bill."
  }
  assert {
    condition     = google_sql_database_instance.main.settings[0].edition == "ENTERPRISE" && google_sql_database_instance.main.database_version == "POSTGRES_18"
    error_message = "The edition must be said, or the small machine is refused; the version is the one that is tested."
  }

  # Protects what cannot be made again unless told otherwise.
  assert {
    condition     = google_sql_database_instance.main.deletion_protection && google_sql_database_instance.main.settings[0].deletion_protection_enabled
    error_message = "The database must be protected here and in Cloud SQL itself."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : secret.deletion_protection]) && alltrue([for service in google_cloud_run_v2_service.function : service.deletion_protection])
    error_message = "The credentials and the services must be protected."
  }
}

run "refuses_a_machine_with_too_few_connections" {
  command = plan
  variables {
    database_tier = "db-f1-micro"
  }
  expect_failures = [google_sql_database_instance.main]
}

run "refuses_more_instances_than_the_machine_has_connections_for" {
  command = plan
  variables {
    max_instances = { poll-now = 2 }
  }
  expect_failures = [google_sql_database_instance.main]
}

run "takes_more_instances_on_a_larger_machine" {
  command = plan
  variables {
    database_tier = "db-custom-1-3840"
    max_instances = { console = 4, poll-now = 2 }
  }

  assert {
    condition     = google_cloud_run_v2_service.function["console"].template[0].scaling[0].max_instance_count == 4 && google_cloud_run_v2_service.function["poll-now"].template[0].scaling[0].max_instance_count == 2
    error_message = "max_instances must reach the services."
  }
  assert {
    condition     = contains([for flag in google_sql_database_instance.main.settings[0].database_flags : "${flag.name}=${flag.value}"], "max_connections=100")
    error_message = "The larger machine must allow its 100 connections."
  }
}

run "refuses_each_of_these" {
  command = plan
  variables {
    # Refuses a second instance of migrate.
    max_instances = { migrate = 2 }
    # Refuses a machine whose connections are not known.
    database_tier = "db-n1-standard-1"
  }

  expect_failures = [var.max_instances, var.database_tier]
}

run "lets_migrate_alone_make_tables" {
  command = plan
  variables {
    consumers = ["phase3@orders-example.iam.gserviceaccount.com"]
  }

  assert {
    condition     = { for key, user in google_sql_user.function : key => user.database_roles if user.database_roles != null } == { migrate = tolist(["cloudsqlsuperuser"]) }
    error_message = "A role of the superuser would make every grant of migrate's meaningless."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.consumer : user.database_roles == null])
    error_message = "The next phase gets what migrate grants it."
  }
}

run "gives_the_protection_up_when_told_so" {
  command = plan
  variables {
    deletion_protection = false
  }

  assert {
    condition     = !google_sql_database_instance.main.deletion_protection && !google_sql_database_instance.main.settings[0].deletion_protection_enabled
    error_message = "A person must be able to destroy the database."
  }
  assert {
    condition     = !anytrue([for secret in google_secret_manager_secret.credential : secret.deletion_protection]) && !anytrue([for service in google_cloud_run_v2_service.function : service.deletion_protection])
    error_message = "A person must be able to destroy the rest."
  }
}
