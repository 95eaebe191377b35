# The database. The instance is created here, or is an existing one that several deployments share. The users and their
# grants are in database-users.tf.

locals {
  reuses_instance = var.database_instance != null

  # A name, or project:region:name. The id of a project may itself contain a colon (example.com:project).
  instance_parts   = split(":", coalesce(var.database_instance, var.name))
  instance_name    = reverse(local.instance_parts)[0]
  instance_project = length(local.instance_parts) == 1 ? var.project_id : join(":", slice(local.instance_parts, 0, length(local.instance_parts) - 2))
  # Composed instead of read from a new instance, so that grants and environments do not wait ten minutes for its creation.
  instance_region          = local.reuses_instance ? data.google_sql_database_instance.reused[0].region : var.region
  instance_connection_name = "${local.instance_project}:${local.instance_region}:${local.instance_name}"

  # On a shared instance the default differs between deployments, as their names do.
  database_name = coalesce(var.database_name, local.reuses_instance ? replace(var.name, "-", "_") : "email_monitor")

  reused_settings = one(data.google_sql_database_instance.reused[*].settings[0])
  # 0: unknown. A reused instance may set the flag, or have a tier whose default is listed in locals.tf.
  database_max_connections = local.reuses_instance ? tonumber(lookup(
    { for flag in local.reused_settings.database_flags : flag.name => flag.value },
    "max_connections",
    lookup(local.max_connections_of_tier, local.reused_settings.tier, 0)
  )) : local.max_connections_of_tier[var.database_tier]
  # 0: no limit.
  database_disk_limit_gb = local.reuses_instance ? (local.reused_settings.disk_autoresize ? local.reused_settings.disk_autoresize_limit : local.reused_settings.disk_size) : var.database_disk_limit_gb
}

# Nothing of it is changed.
data "google_sql_database_instance" "reused" {
  count = var.database_instance == null ? 0 : 1

  project = local.instance_project
  name    = local.instance_name

  lifecycle {
    postcondition {
      condition     = length(local.instance_parts) == 1 ? true : self.region == reverse(local.instance_parts)[1]
      error_message = "The instance ${local.instance_name} is in the region ${self.region}, not in the one that database_instance names."
    }
    postcondition {
      condition     = startswith(self.database_version, "POSTGRES_") && tonumber(split("_", self.database_version)[1]) >= 18
      error_message = "The instance ${local.instance_name} is ${self.database_version}. The schema needs PostgreSQL 18, the version that the tests use."
    }
    postcondition {
      condition     = anytrue([for flag in self.settings[0].database_flags : flag.name == "cloudsql.iam_authentication" && flag.value == "on"])
      error_message = "The functions log in with IAM tokens, which the instance ${local.instance_name} does not accept. Set its flag cloudsql.iam_authentication to on; this restarts it."
    }
    postcondition {
      condition     = local.is_private || (self.settings[0].ip_configuration[0].ipv4_enabled && contains(["", "GOOGLE_MANAGED_INTERNAL_CA"], self.settings[0].ip_configuration[0].server_ca_mode))
      error_message = "The socket of Cloud Run needs a public address and the server_ca_mode GOOGLE_MANAGED_INTERNAL_CA. The instance ${local.instance_name} has ipv4_enabled = ${self.settings[0].ip_configuration[0].ipv4_enabled} and ${self.settings[0].ip_configuration[0].server_ca_mode}. Use private_network, or another instance."
    }
    postcondition {
      condition     = !local.is_private || endswith(self.settings[0].ip_configuration[0].private_network, coalesce(var.private_network, "none"))
      error_message = "The instance ${local.instance_name} has no address in private_network. Its network is: ${coalesce(self.settings[0].ip_configuration[0].private_network, "none")}."
    }
  }
}

resource "google_sql_database_instance" "main" {
  count = local.reuses_instance ? 0 : 1

  project = var.project_id
  region  = var.region
  name    = local.instance_name
  # The version that the tests use.
  database_version = "POSTGRES_18"
  # Only a new instance can get a key.
  encryption_key_name = var.kms_key

  deletion_protection = var.deletion_protection

  settings {
    tier = var.database_tier
    # Set explicitly: since PostgreSQL 16 the default is Enterprise Plus, which has no small tiers.
    edition           = "ENTERPRISE"
    availability_type = var.database_availability
    user_labels       = local.labels

    # Cloud SQL's own protection, which also prevents a deletion from the Cloud console or with gcloud.
    deletion_protection_enabled = var.deletion_protection

    # Attachments are stored in rows, so the disk grows with the mail. At the limit an operator must decide.
    disk_type             = "PD_SSD"
    disk_autoresize       = true
    disk_autoresize_limit = var.database_disk_limit_gb

    # Accept connections only through Google's connectors, which present a client certificate and check IAM. With a public
    # address Cloud Run's socket needs no VPC network. No network is authorized to reach that address directly.
    connector_enforcement = "REQUIRED"
    ip_configuration {
      ipv4_enabled    = !local.is_private
      private_network = var.private_network
      ssl_mode        = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
      # The only mode that Cloud Run's socket supports.
      server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA"
    }

    # Restore to any point in time of the last week, or to an older daily backup. Gmail keeps the messages, so the
    # monitor fetches again what a restore loses.
    backup_configuration {
      enabled                        = true
      start_time                     = "01:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7
      backup_retention_settings {
        retained_backups = var.database_retained_backups
        retention_unit   = "COUNT"
      }
    }

    # After a deliberate deletion the data can still be restored for 30 days.
    final_backup_config {
      enabled        = true
      retention_days = 30
    }

    # After the daily backup, in the hour with the fewest orders. Polls fail for a minute or two and then continue.
    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    # Record how long each statement takes. Statements contain no values, so no mail content is recorded.
    insights_config {
      query_insights_enabled  = true
      query_string_length     = 1024
      record_application_tags = false
      record_client_address   = false
    }

    # Log in with IAM tokens instead of passwords.
    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    # Milliseconds. A consumer or an operator who leaves a transaction open must not keep emails locked. The functions set less.
    database_flags {
      name  = "idle_in_transaction_session_timeout"
      value = "60000"
    }
    # The default of the tier, set explicitly because the connection budget depends on it.
    database_flags {
      name  = "max_connections"
      value = tostring(local.database_max_connections)
    }
  }

  depends_on = [time_sleep.apis]
}

locals {
  database_host = one(concat(google_sql_database_instance.main[*].name, data.google_sql_database_instance.reused[*].name))

  # On a new instance, database and users are deleted with it. Before, PostgreSQL refuses: clients are connected to the
  # database, and roles own tables or hold grants. A reused instance stays, and what stays on it would collide with the next
  # apply. There the database is dropped first (see depends_on), then the users, which then own nothing.
  database_deletion_policy = local.reuses_instance ? (var.deletion_protection ? "PREVENT" : "DELETE") : "ABANDON"
  user_deletion_policy     = local.reuses_instance ? null : "ABANDON"
}

resource "google_sql_database" "main" {
  project         = local.instance_project
  instance        = local.database_host
  name            = local.database_name
  deletion_policy = local.database_deletion_policy

  lifecycle {
    precondition {
      condition     = local.database_max_connections > 0
      error_message = "The number of connections of the instance ${local.instance_name} is unknown. Set its flag max_connections."
    }
    precondition {
      condition     = local.connections_needed * var.database_deployments <= local.connections_allowed
      error_message = "The functions of ${var.database_deployments} deployment(s) may open ${local.connections_needed * var.database_deployments} connections during a rollout, but may use at most ${local.connections_allowed} of the ${local.database_max_connections} of the instance. Choose a larger database_tier, raise max_connections of a reused instance, or lower max_instances or mailbox_instances."
    }
  }

  # Destroyed in reverse order.
  depends_on = [google_sql_user.consumer, google_sql_user.function]
}
