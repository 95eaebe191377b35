# The database, who logs in to it, and what it takes to reach it. Nobody has a password: accounts log in with tokens.

resource "google_sql_database_instance" "main" {
  project = var.project_id
  region  = var.region
  name    = local.instance_name
  # The version that the tests run on.
  database_version = "POSTGRES_18"

  deletion_protection = var.deletion_protection

  settings {
    tier = var.database_tier
    # Said, because from PostgreSQL 16 on the other, which knows no small machine, is what one gets unasked.
    edition           = "ENTERPRISE"
    availability_type = var.database_availability
    user_labels       = local.labels

    # Of Cloud SQL's own, which also refuses a deletion from the console or by gcloud.
    deletion_protection_enabled = var.deletion_protection

    # Attachments are rows: the disk grows with the mail, up to where a person should look.
    disk_type             = "PD_SSD"
    disk_autoresize       = true
    disk_autoresize_limit = var.database_disk_limit_gb

    # Only what comes through Google's own connectors, which bring a certificate and ask IAM. The address is public
    # because the socket of Cloud Run needs no network then; no network is let in to it.
    connector_enforcement = "REQUIRED"
    ip_configuration {
      ipv4_enabled = true
      ssl_mode     = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"
    }

    # Back to any moment of the last week, and to a night further back. Gmail keeps the mail itself, so what a restore
    # loses is fetched again.
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

    # What was destroyed on purpose can be regretted for a month.
    final_backup_config {
      enabled        = true
      retention_days = 30
    }

    # After the nightly backup, in the hour with the fewest orders; polls fail for a minute or two and go on.
    maintenance_window {
      day          = 7
      hour         = 3
      update_track = "stable"
    }

    # Which statement takes how long. Statements carry no values, so no mail content is recorded.
    insights_config {
      query_insights_enabled  = true
      query_string_length     = 1024
      record_application_tags = false
      record_client_address   = false
    }

    # Tokens of accounts instead of passwords.
    database_flags {
      name  = "cloudsql.iam_authentication"
      value = "on"
    }
    # What the tier would give anyway, said so that the budget of connections stands on something.
    database_flags {
      name  = "max_connections"
      value = tostring(local.database_max_connections)
    }
  }

  lifecycle {
    precondition {
      condition     = local.connections_needed <= local.connections_allowed
      error_message = "The functions may hold ${local.connections_needed} connections during a rollout, ${var.database_tier} has ${local.database_max_connections}, and they shall take ${local.connections_allowed} of them at most. Choose a larger database_tier or lower max_instances."
    }
  }

  depends_on = [google_project_service.required]
}

resource "google_sql_database" "main" {
  project  = var.project_id
  instance = google_sql_database_instance.main.name
  name     = local.database_name

  # It goes with its instance. Dropping it first fails while anybody is connected.
  deletion_policy = "ABANDON"
}

locals {
  # As PostgreSQL calls them: without the ending that would make most of them too long.
  database_users = { for key, email in local.function_emails : key => trimsuffix(email, ".gserviceaccount.com") }
  consumer_users = { for email in var.consumers : email => trimsuffix(email, ".gserviceaccount.com") }

  # For migrate, which grants each what its part needs. migrate itself is none of them: it owns the tables. Spelled
  # out and not taken from database_users, because the functions, whose accounts those are, carry it.
  database_accounts = join(",", concat(
    [for key in ["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"] : "${key}=${var.name}-${key}@${var.project_id}.iam"],
    [for email in sort(var.consumers) : "consumer=${trimsuffix(email, ".gserviceaccount.com")}"],
  ))
}

resource "google_sql_user" "function" {
  for_each = local.functions

  project  = var.project_id
  instance = google_sql_database_instance.main.name
  name     = local.database_users[each.key]
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
  # migrate makes tables in schema public, which the superuser of Cloud SQL owns. The others get nothing but what
  # migrate grants them.
  database_roles = each.key == "migrate" ? ["cloudsqlsuperuser"] : null

  # A role that owns tables or holds grants cannot be dropped; it goes with its instance, and without its account
  # nobody logs in with it.
  deletion_policy = "ABANDON"

  lifecycle {
    # Given when the user is made. Cloud SQL adds a role of its own to the user of an account; whatever it gives back
    # of the two, no plan may want to take it away or make the user anew.
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

# To reach the instance (client) and to log in to it (instanceUser). Both can be given on a project only, so a condition
# narrows them to the one instance. https://cloud.google.com/sql/docs/postgres/iam-conditions
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
    description = "The database of Email Monitor and no other."
    expression  = "resource.name == \"projects/${var.project_id}/instances/${local.instance_name}\" && resource.service == \"sqladmin.googleapis.com\""
  }
}
