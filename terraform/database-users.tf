# The users of the database and the grants to connect to it. No user has a password: service accounts log in with IAM tokens.

locals {
  # PostgreSQL user names: the email address without the suffix, with which most names would be too long.
  database_users = { for key, email in local.account_emails : key => trimsuffix(email, ".gserviceaccount.com") }
  # One per account, which may have several consumers.
  consumer_users = { for email in toset(values(var.consumers)) : email => trimsuffix(email, ".gserviceaccount.com") }

  # The users for migrate, which grants each its permissions. migrate itself is not included: it owns the tables.
  database_accounts = join(",", concat(
    [for key in ["ingest", "control", "console", "status", "attachment_url"] : "${key}=${local.database_users[key]}" if contains(keys(local.database_users), key)],
    [for consumer, email in var.consumers : "consumer:${consumer}=${local.consumer_users[email]}"],
  ))
}

resource "google_sql_user" "function" {
  for_each = local.functions_by_account

  project  = local.instance_project
  instance = local.database_host
  name     = local.database_users[each.key]
  type     = "CLOUD_IAM_SERVICE_ACCOUNT"
  # migrate creates tables in schema public, which Cloud SQL's superuser owns. The other users have only what migrate
  # grants them.
  database_roles  = each.key == "migrate" ? ["cloudsqlsuperuser"] : null
  deletion_policy = local.user_deletion_policy

  lifecycle {
    # Applied only when the user is created. Cloud SQL adds its own role to each service account user. Whatever roles it
    # returns, a plan must not remove them or recreate the user.
    ignore_changes = [database_roles]
  }
}

resource "google_sql_user" "consumer" {
  for_each = local.consumer_users

  project         = local.instance_project
  instance        = local.database_host
  name            = each.value
  type            = "CLOUD_IAM_SERVICE_ACCOUNT"
  deletion_policy = local.user_deletion_policy

  lifecycle {
    ignore_changes = [database_roles]
  }
}

# Permission to connect to the instance (client) and to log in to it (instanceUser). Both roles can only be granted on a
# project, so a condition restricts them to this instance. https://cloud.google.com/sql/docs/postgres/iam-conditions
locals {
  cloudsql_roles = ["roles/cloudsql.client", "roles/cloudsql.instanceUser"]
  cloudsql_members = merge(
    { for key, email in local.account_emails : key => "serviceAccount:${email}" },
    { for email in keys(local.consumer_users) : email => "serviceAccount:${email}" },
  )
  cloudsql_grants = {
    for pair in setproduct(keys(local.cloudsql_members), local.cloudsql_roles) :
    "${pair[0]} ${pair[1]}" => { member = local.cloudsql_members[pair[0]], role = pair[1] }
  }
}

resource "google_project_iam_member" "cloudsql" {
  for_each = local.cloudsql_grants

  project = local.instance_project
  role    = each.value.role
  member  = each.value.member

  condition {
    title       = "only ${local.instance_name}"
    description = "Only the database instance of Email Monitor."
    expression  = "resource.name == \"projects/${local.instance_project}/instances/${local.instance_name}\" && resource.service == \"sqladmin.googleapis.com\""
  }
}
