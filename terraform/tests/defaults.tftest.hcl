# What a deployment has without further variables: the database, the options that are off. access.tftest.hcl and
# functions.tftest.hcl have the permissions and the services.

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
    condition     = alltrue([for secret in google_secret_manager_secret.credential : secret.deletion_protection]) && [for key, service in local.all_services : key if !service.deletion_protection] == ["gmail-push"]
    error_message = "The credentials and the services must be protected, except one that \"push = false\" removes."
  }

  # A new instance takes database and users with it when it is deleted.
  assert {
    condition     = google_sql_database.main.name == "email_monitor" && google_sql_database.main.deletion_policy == "ABANDON" && alltrue([for user in google_sql_user.function : user.deletion_policy == "ABANDON"])
    error_message = "PostgreSQL refuses to drop a database in use and a role with grants. Both are deleted with the instance."
  }

  # No network and no locations are chosen, and audit logs are on.
  assert {
    condition     = alltrue([for key, config in google_project_iam_audit_config.data_access : toset(config.audit_log_config[*].log_type) == toset(["DATA_READ", "DATA_WRITE"])]) && keys(google_project_iam_audit_config.data_access) == ["cloudsql.googleapis.com", "secretmanager.googleapis.com"]
    error_message = "Reads and writes of credentials and of the database must be logged."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : length(service.template[0].vpc_access) == 0]) && local.environment.CLOUD_SQL_IP_TYPE == ""
    error_message = "The socket needs no network."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : length(secret.replication[0].auto) == 1 && length(secret.replication[0].user_managed) == 0])
    error_message = "By default Google chooses the locations of the credentials."
  }

  # Each credential is mounted at the path in the environment.
  assert {
    condition = alltrue([for key, service in local.all_services : !local.functions[key].credentials || toset([
      for env in service.template[0].containers[0].env : env.value if startswith(env.name, "GMAIL_") && endswith(env.name, "_FILE")
      ]) == toset(flatten([
        for mount in service.template[0].containers[0].volume_mounts : [
          for volume in service.template[0].volumes : "${mount.mount_path}/${volume.secret[0].items[0].path}" if volume.name == mount.name && length(volume.secret) > 0
        ]
    ]))])
    error_message = "The environment variables must name the mounted files."
  }
  assert {
    condition = { for volume in google_cloud_run_v2_service.function["poll"].template[0].volumes : volume.name => "${volume.secret[0].secret}:${volume.secret[0].items[0].version}" if length(volume.secret) > 0 } == {
      client-id = "email-monitor-gmail-client-id:latest", client-secret = "email-monitor-gmail-client-secret:latest", refresh-token = "email-monitor-gmail-refresh-token:latest"
    }
    error_message = "Each folder must contain its own secret in the latest version."
  }

  # Only functions that need the credentials can read them.
  assert {
    condition     = [for key, service in local.all_services : key if length([for volume in service.template[0].volumes : volume if length(volume.secret) > 0]) == 0] == ["migrate", "status"]
    error_message = "Exactly the functions that call Gmail must mount the credentials."
  }
  assert {
    condition     = toset([for grant in google_secret_manager_secret_iam_member.function_reads : "${grant.secret_id} ${grant.member} ${grant.role}"]) == toset([for pair in setproduct(["client-id", "client-secret", "refresh-token"], ["ingest", "control", "console"]) : "email-monitor-gmail-${pair[0]} serviceAccount:email-monitor-${pair[1]}@orders-example.iam.gserviceaccount.com roles/secretmanager.secretAccessor"])
    error_message = "Exactly the functions that mount a secret may read it."
  }

  # No environment contains a credential.
  assert {
    condition     = alltrue(flatten([for service in local.all_services : [for env in service.template[0].containers[0].env : !contains(["GMAIL_CLIENT_ID", "GMAIL_CLIENT_SECRET", "GMAIL_REFRESH_TOKEN", "DATABASE_URL"], env.name) && length(env.value_source) == 0]]))
    error_message = "An environment variable with a secret is visible in the Cloud console and does not change while an instance runs."
  }

  # The first version counts as no credential, and Terraform deletes no version.
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : trimspace(version.secret_data) == "" && version.secret_data != ""])
    error_message = "The first version must exist and count as no credential."
  }
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : version.deletion_policy == "ABANDON"])
    error_message = "Terraform must not delete versions."
  }

  # status works without credentials.
  assert {
    condition     = [for env in google_cloud_run_v2_service.function["status"].template[0].containers[0].env : env.value if env.name == "GMAIL_CREDENTIALS"] == ["held_elsewhere"] && length([for env in google_cloud_run_v2_service.function["status"].template[0].containers[0].env : env if endswith(env.name, "_FILE")]) == 0
    error_message = "status must hold no credentials."
  }
  assert {
    condition     = alltrue([for key, service in google_cloud_run_v2_service.function : key == "status" || !contains(service.template[0].containers[0].env[*].name, "GMAIL_CREDENTIALS")])
    error_message = "Only status may leave the credentials to the others."
  }

  # The job runs every minute.
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "The job must call poll every minute."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 60
    error_message = "The functions must get the interval of the variable."
  }

  # Subscriptions do not expire.
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].expiration_policy[0].ttl == "" && google_pubsub_subscription.dead_letter[0].expiration_policy[0].ttl == ""
    error_message = "By default a subscription is deleted after 31 days without a delivery."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letter[0].message_retention_duration == "2678400s"
    error_message = "A dead letter must be kept for as long as Pub/Sub supports."
  }

  # There is no topic for stored emails.
  assert {
    condition     = length(google_pubsub_topic.emails) + length(google_pubsub_subscription.emails) + length(google_pubsub_topic_iam_member.function_publishes_emails) == 0
    error_message = "Without publish_emails nothing must be created."
  }
  assert {
    condition     = alltrue([for key in ["poll", "gmail-push", "poll-now", "console"] : local.function_environments[key].EMAILS_PUBSUB_TOPIC == ""])
    error_message = "Without a topic the functions must write no outbox."
  }
  assert {
    condition     = output.emails_topic == null && length(output.email_subscriptions) == 0
    error_message = "The outputs must say that there is no topic."
  }

  # There is no bucket of attachments.
  assert {
    condition     = length(google_storage_bucket.attachments) + length(google_storage_bucket_iam_member.function_uses_attachments) + length(google_service_account_iam_member.attachment_url_signs) == 0 && output.attachments_bucket == null
    error_message = "Without attachments_bucket nothing must be created."
  }
  assert {
    condition     = !contains(keys(local.all_services), "attachment-url") && !contains(keys(google_service_account.function), "attachment_url") && !strcontains(local.database_accounts, "attachment_url")
    error_message = "Without a bucket there are no URLs to sign."
  }
  assert {
    condition     = alltrue([for environment in local.function_environments : !can(environment.ATTACHMENTS_BUCKET) && environment.RETENTION_DAYS == ""])
    error_message = "All bytes must stay in the database, and nothing must be erased."
  }

  # poll works on the mailboxes itself.
  assert {
    condition = length(concat(
      google_pubsub_topic.work, google_pubsub_subscription.work, google_service_account.work_invoker, google_service_account.gmail,
      values(google_pubsub_topic_iam_member.function_dispatches), google_service_account_iam_member.pubsub_signs_work,
      values(google_service_account_iam_member.function_signs_as_gmail),
    )) == 0
    error_message = "Without mailbox_instances and gmail_delegation nothing of them must be created."
  }
  assert {
    condition     = !contains(keys(local.all_services), "ingest-mailbox") && !contains(keys(local.alerts), "mailboxes-wait-for-an-instance")
    error_message = "Without a work topic ingest-mailbox has no caller, and nothing waits for it."
  }
  assert {
    condition     = alltrue([for key in ["poll", "gmail-push", "poll-now", "console"] : local.function_environments[key].WORK_PUBSUB_TOPIC == ""])
    error_message = "Without a topic the functions must not publish mailboxes."
  }
  assert {
    condition     = { for key, environment in local.function_environments : key => environment.GMAIL_DELEGATION_SERVICE_ACCOUNT if can(environment.GMAIL_DELEGATION_SERVICE_ACCOUNT) } == { for key in ["console", "gmail-push", "poll", "poll-now"] : key => "" }
    error_message = "Without gmail_delegation there is no account to sign as."
  }

  # The secrets of the other mailboxes, which operators add at any time.
  assert {
    condition     = { for key, environment in local.function_environments : key => environment.GMAIL_MAILBOX_SECRETS if can(environment.GMAIL_MAILBOX_SECRETS) } == { for key in ["console", "gmail-push", "poll", "poll-now"] : key => "projects/orders-example/secrets/email-monitor-mailbox_" }
    error_message = "Exactly the functions that fetch must know where the credentials of the mailboxes are."
  }
  assert {
    condition     = toset([for grant in google_project_iam_member.mailbox_secrets : "${grant.member} ${grant.role}"]) == toset([for key in ["console", "ingest"] : "serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com roles/secretmanager.secretAccessor"])
    error_message = "Exactly the accounts of the functions that fetch may read the credentials. start and stop use only the first mailbox."
  }
  assert {
    condition     = alltrue([for grant in google_project_iam_member.mailbox_secrets : grant.condition[0].expression == "resource.name.startsWith(\"projects/123456789012/secrets/email-monitor-mailbox_\")"])
    error_message = "Without the condition the grant applies to every secret of the project. IAM compares the project's number."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.credential : !startswith(secret.secret_id, local.mailbox_secret_prefix)])
    error_message = "The prefix must not cover other secrets."
  }
}
