# The database, its users, and the grants to connect to it. No user has a password: service accounts log in with IAM
# tokens.

resource "google_sql_database_instance" "main" {
  project = var.project_id
  region  = var.region
  name    = local.instance_name
  # The version that the tests use.
  database_version = "POSTGRES_18"

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
      ipv4_enabled = true
      ssl_mode     = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
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
    # The default of the tier, set explicitly because the connection budget depends on it.
    database_flags {
      name  = "max_connections"
      value = tostring(local.database_max_connections)
    }
  }

  lifecycle {
    precondition {
      condition     = local.connections_needed <= local.connections_allowed
      error_message = "The functions may open ${local.connections_needed} connections during a rollout, but may use at most ${local.connections_allowed} of the ${local.database_max_connections} that ${var.database_tier} has. Choose a larger database_tier or lower max_instances."
    }
  }

  depends_on = [time_sleep.apis]
}

resource "google_sql_database" "main" {
  project  = var.project_id
  instance = google_sql_database_instance.main.name
  name     = local.database_name

  # It is deleted with its instance. Dropping it before fails while a client is connected.
  deletion_policy = "ABANDON"
}

locals {
  # PostgreSQL user names: the email address without the suffix, with which most names would be too long.
  database_users = { for key, email in local.function_emails : key => trimsuffix(email, ".gserviceaccount.com") }
  consumer_users = { for email in var.consumers : email => trimsuffix(email, ".gserviceaccount.com") }

  # The users for migrate, which grants each its permissions. migrate itself is not included: it owns the tables. The
  # names are composed here instead of taken from database_users, which would be a cycle: local.functions, from which
  # the service accounts are created, contains this value.
  database_accounts = join(",", concat(
    [for key in ["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"] : "${key}=${var.name}-${key}@${var.project_id}.iam" if key != "gmail-push" || var.push],
    [for email in sort(var.consumers) : "consumer=${trimsuffix(email, ".gserviceaccount.com")}"],
  ))
}

resource "google_sql_user" "function" {
  for_each = local.functions

  project  = var.project_id
  instance = google_sql_database_instance.main.name
  name     = local.database_users[each.key]
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
  # migrate creates tables in schema public, which Cloud SQL's superuser owns. The other users have only what migrate
  # grants them.
  database_roles = each.key == "migrate" ? ["cloudsqlsuperuser"] : null

  # A role that owns tables or holds grants cannot be dropped. It is deleted with its instance, and no one can log in with
  # it once its service account is deleted.
  deletion_policy = "ABANDON"

  lifecycle {
    # Applied only when the user is created. Cloud SQL adds its own role to each service account user. Whatever roles it
    # returns, a plan must not remove them or recreate the user.
    ignore_changes = [database_roles]
  }
}

resource "google_sql_user" "consumer" {
  for_each = local.consumer_users

  project         = var.project_id
  instance        = google_sql_database_instance.main.name
  name            = each.value
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  deletion_policy = "ABANDON"

  lifecycle {
    ignore_changes = [database_roles]
  }
}

# Permission to connect to the instance (client) and to log in to it (instanceUser). Both roles can only be granted on a
# project, so a condition restricts them to this instance. https://cloud.google.com/sql/docs/postgres/iam-conditions
locals {
  cloudsql_roles = ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]
  cloudsql_members = merge(
    { for key, email in local.function_emails : key => "serviceAccount:${email}" },
    { for email in var.consumers : email => "serviceAccount:${email}" },
  )
  cloudsql_grants = {
    for pair in setproduct(keys(local.cloudsql_members), local.cloudsql_roles) :
    "${pair[0]} ${pair[1]}" => { member = local.cloudsql_members[pair[0]], role = pair[1] }
  }
}

resource "google_project_iam_member" "cloudsql" {
  for_each = local.cloudsql_grants

  project = var.project_id
  role    = each.value.role
  member  = each.value.member

  condition {
    title       = "only ${local.instance_name}"
    description = "Only the database instance of Email Monitor."
    expression  = "resource.name == \"projects/${var.project_id}/instances/${local.instance_name}\" && resource.service == \"sqladmin.googleapis.com\""
  }
}
