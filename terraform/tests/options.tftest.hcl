# Options of the whole deployment: an existing instance, a private network, customer-managed keys, labels. And the audit logs.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "time" {}

variables {
  alert_emails = ["ops@example.com"]
  # Given, so that nothing is built.
  image      = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
  project_id = "orders-example"
}

override_data {
  target = data.google_sql_database_instance.reused
  values = {
    region           = "europe-west4"
    database_version = "POSTGRES_18"
    settings = [{
      tier                  = "db-custom-2-7680"
      disk_size             = 50
      disk_autoresize       = true
      disk_autoresize_limit = 200
      database_flags        = [{ name = "cloudsql.iam_authentication", value = "on" }, { name = "max_connections", value = "200" }]
      ip_configuration      = [{ ipv4_enabled = true, private_network = "", server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA" }]
    }]
  }
}

run "reuses_an_instance_of_another_project" {
  command = plan
  variables {
    name                 = "sales-mail"
    database_instance    = "shared-example:europe-west4:company"
    database_deployments = 3
    consumers            = { extraction = "phase3@orders-example.iam.gserviceaccount.com" }
  }

  assert {
    condition     = length(google_sql_database_instance.main) == 0 && output.database_instance == "shared-example:europe-west4:company"
    error_message = "No instance must be created, and the functions must use the existing one."
  }
  assert {
    condition     = [google_sql_database.main.project, google_sql_database.main.instance, google_sql_database.main.name, local.environment.DB_NAME] == ["shared-example", "company", "sales_mail", "sales_mail"]
    error_message = "The database must be on that instance, with a name that differs between deployments."
  }
  assert {
    condition     = alltrue([for user in merge(google_sql_user.function, google_sql_user.consumer) : user.project == "shared-example" && user.instance == "company"]) && google_sql_user.function["ingest"].name == "sales-mail-ingest@orders-example.iam"
    error_message = "The users must be on that instance, and named after the deployment."
  }
  assert {
    condition     = alltrue([for grant in google_project_iam_member.cloudsql : grant.project == "shared-example" && startswith(grant.condition[0].expression, "resource.name == \"projects/shared-example/instances/company\"")])
    error_message = "The grants must be in the project of the instance, and restricted to it."
  }
  assert {
    condition     = local.database_max_connections == 200 && local.database_disk_limit_gb == 200 && strcontains(local.database, "shared-example:company")
    error_message = "The alerts must use the limits of the existing instance."
  }
  assert {
    condition     = google_sql_database.main.deletion_policy == "PREVENT" && local.user_deletion_policy == null
    error_message = "On an instance that stays, nothing may be abandoned, and the database needs protection."
  }
}

run "what_is_on_a_shared_instance_can_be_deleted" {
  command = plan
  variables {
    database_instance   = "company"
    database_name       = "orders"
    deletion_protection = false
  }

  assert {
    condition     = google_sql_database.main.deletion_policy == "DELETE" && google_sql_database.main.project == "orders-example" && google_sql_database.main.name == "orders"
    error_message = "A name without a project is an instance of this project. A destroy must drop the database."
  }
}

run "rejects_an_instance_without_iam_login" {
  command = plan
  variables {
    database_instance = "company"
  }
  override_data {
    target = data.google_sql_database_instance.reused
    values = {
      region           = "europe-west1"
      database_version = "POSTGRES_18"
      settings = [{
        tier                  = "db-custom-2-7680"
        disk_size             = 50
        disk_autoresize       = true
        disk_autoresize_limit = 0
        database_flags        = []
        ip_configuration      = [{ ipv4_enabled = true, private_network = "", server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA" }]
      }]
    }
  }
  expect_failures = [data.google_sql_database_instance.reused]
}

run "rejects_an_instance_that_the_socket_cannot_reach" {
  command = plan
  variables {
    database_instance = "company"
  }
  override_data {
    target = data.google_sql_database_instance.reused
    values = {
      region           = "europe-west1"
      database_version = "POSTGRES_18"
      settings = [{
        tier                  = "db-custom-2-7680"
        disk_size             = 50
        disk_autoresize       = true
        disk_autoresize_limit = 0
        database_flags        = [{ name = "cloudsql.iam_authentication", value = "on" }]
        ip_configuration      = [{ ipv4_enabled = true, private_network = "", server_ca_mode = "GOOGLE_MANAGED_CAS_CA" }]
      }]
    }
  }
  expect_failures = [data.google_sql_database_instance.reused]
}

run "rejects_an_older_postgresql" {
  command = plan
  variables {
    database_instance = "company"
  }
  override_data {
    target = data.google_sql_database_instance.reused
    values = {
      region           = "europe-west1"
      database_version = "POSTGRES_17"
      settings = [{
        tier                  = "db-custom-2-7680"
        disk_size             = 50
        disk_autoresize       = true
        disk_autoresize_limit = 0
        database_flags        = [{ name = "cloudsql.iam_authentication", value = "on" }]
        ip_configuration      = [{ ipv4_enabled = true, private_network = "", server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA" }]
      }]
    }
  }
  expect_failures = [data.google_sql_database_instance.reused]
}

run "rejects_an_instance_outside_of_the_private_network" {
  command = plan
  variables {
    database_instance = "company"
    private_network   = "projects/orders-example/global/networks/main"
  }
  expect_failures = [data.google_sql_database_instance.reused]
}

run "rejects_a_region_that_is_not_the_one_of_the_instance" {
  command = plan
  variables {
    database_instance = "shared-example:europe-west1:company"
  }
  expect_failures = [data.google_sql_database_instance.reused]
}

run "rejects_more_deployments_than_the_instance_has_connections_for" {
  command = plan
  variables {
    database_instance    = "company"
    database_deployments = 5
  }
  expect_failures = [google_sql_database.main]
}

run "private_network_labels_and_secret_locations_apply_to_every_resource" {
  command = plan
  variables {
    audit_logs         = false
    labels             = { team = "orders" }
    private_network    = "projects/network-example/global/networks/main"
    private_subnetwork = "projects/network-example/regions/europe-west1/subnetworks/run"
    secret_locations   = ["europe-west1", "europe-west4"]
  }

  # The private network replaces public address and socket.
  assert {
    condition     = !google_sql_database_instance.main[0].settings[0].ip_configuration[0].ipv4_enabled && google_sql_database_instance.main[0].settings[0].ip_configuration[0].private_network == "projects/network-example/global/networks/main"
    error_message = "The instance must have only a private address."
  }
  assert {
    condition = alltrue([for service in google_cloud_run_v2_service.function :
      service.template[0].vpc_access[0].egress == "PRIVATE_RANGES_ONLY" &&
      service.template[0].vpc_access[0].network_interfaces[0].network == "projects/network-example/global/networks/main" &&
      service.template[0].vpc_access[0].network_interfaces[0].subnetwork == "projects/network-example/regions/europe-west1/subnetworks/run"
    ])
    error_message = "Only private addresses may go through the network: Google's APIs are reached directly."
  }
  assert {
    condition = alltrue([for service in google_cloud_run_v2_service.function :
      !contains(service.template[0].volumes[*].name, "cloudsql") && !contains(service.template[0].containers[0].volume_mounts[*].name, "cloudsql") &&
      [for env in service.template[0].containers[0].env : env.value if env.name == "CLOUD_SQL_IP_TYPE"] == ["PRIVATE"]
    ])
    error_message = "The functions must use the connector instead of the socket."
  }

  # All resources that support labels have them.
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

  # Secrets are kept in the chosen regions, and the audit configuration can be left as it is.
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : toset(secret.replication[0].user_managed[0].replicas[*].location) == var.secret_locations && length(secret.replication[0].auto) == 0 && length(secret.replication[0].user_managed[0].replicas[0].customer_managed_encryption) == 0])
    error_message = "The credentials must be kept in exactly these regions."
  }
  assert {
    condition     = length(google_project_iam_audit_config.data_access) == 0
    error_message = "Without audit_logs the audit configuration of the project must stay as it is."
  }
}

run "kms_key_encrypts_everything_that_holds_data" {
  command = plan
  variables {
    kms_key = "projects/orders-example/locations/europe-west1/keyRings/main/cryptoKeys/mail"
  }

  assert {
    condition = toset([
      google_sql_database_instance.main[0].encryption_key_name,
      google_storage_bucket.source.encryption[0].default_kms_key_name,
      google_artifact_registry_repository.functions.kms_key_name,
      google_pubsub_topic.gmail[0].kms_key_name,
      google_pubsub_topic.dead_letter[0].kms_key_name,
    ]) == toset([var.kms_key])
    error_message = "The key must apply to the database, the bucket, the images and the topics."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : [for replica in secret.replication[0].user_managed[0].replicas : "${replica.location} ${replica.customer_managed_encryption[0].kms_key_name}"] == ["europe-west1 ${var.kms_key}"]])
    error_message = "The credentials must be kept in the region of the key, and encrypted with it."
  }
}
