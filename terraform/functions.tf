# The deployed functions, each a Cloud Run service. They run one image. local.functions holds the differences between them.

locals {
  # The environment of every function. .env.example explains each name.
  environment = {
    CLOUD_SQL_INSTANCE           = local.instance_connection_name
    CLOUD_SQL_IP_TYPE            = local.is_private ? "PRIVATE" : ""
    CONSUMER_MAX_WAIT_SECONDS    = var.consumer_max_wait_seconds
    DB_ACCOUNTS                  = local.database_accounts
    DB_NAME                      = local.database_name
    GMAIL_INITIAL_QUERY          = var.gmail_initial_query
    GMAIL_LABEL_ID               = var.gmail_label_id
    GMAIL_POLL_INTERVAL_SECONDS  = var.poll_interval_seconds
    GMAIL_PUBSUB_TOPIC           = var.push ? google_pubsub_topic.gmail[0].id : ""
    GMAIL_QUOTA_UNITS_PER_MINUTE = var.gmail_quota_units_per_minute
    GMAIL_SETTLE_SECONDS         = var.gmail_settle_seconds
    GOOGLE_CLOUD_PROJECT         = var.project_id
    LOG_FORMAT                   = "json"
    LOG_LEVEL                    = var.log_level
    NODE_ENV                     = "production"
    RETENTION_DAYS               = var.retention_days == null ? "" : var.retention_days
    RUN_BUDGET_SECONDS           = var.run_budget_seconds
    SCHEDULER_JOB                = local.scheduler_job_id
  }

  # Files instead of variables: a variable is fixed when an instance starts, a file is read again. A mount takes a whole
  # folder, so each secret has its own.
  credential_environment = {
    GMAIL_CLIENT_ID_FILE     = "/secrets/client-id/value"
    GMAIL_CLIENT_SECRET_FILE = "/secrets/client-secret/value"
    GMAIL_REFRESH_TOKEN_FILE = "/secrets/refresh-token/value"
  }

  fetching_environment = {
    EMAILS_PUBSUB_TOPIC = var.publish_emails ? google_pubsub_topic.emails[0].id : ""
    WORK_PUBSUB_TOPIC   = local.fan_out ? google_pubsub_topic.work[0].id : ""

    # The access to the other mailboxes.
    GMAIL_DELEGATION_SERVICE_ACCOUNT = local.gmail_delegation_email == null ? "" : local.gmail_delegation_email
    GMAIL_MAILBOX_SECRETS            = "projects/${var.project_id}/secrets/${local.mailbox_secret_prefix}"
  }

  function_environments = {
    for key, function in local.functions : key => merge(
      local.environment,
      function.credentials ? local.credential_environment : {},
      function.fetches ? local.fetching_environment : {},
      contains(keys(local.bucket_roles), function.account) ? local.bucket_environment : {},
      function.environment,
      {
        APP_FUNCTION = function.target
        DB_POOL_SIZE = function.pool
        DB_USER      = local.database_users[function.account]
      },
    )
  }

  all_services = merge(google_cloud_run_v2_service.function, { migrate = google_cloud_run_v2_service.migrate })
}

# migrate is in migrate.tf.
resource "google_cloud_run_v2_service" "function" {
  for_each = { for key, function in local.functions : key => function if key != "migrate" }

  project     = var.project_id
  location    = var.region
  name        = "${var.name}-${each.key}"
  description = "Email Monitor: ${each.key}"
  labels      = local.labels

  # IAM alone decides who may call a function. In addition, the functions that only Cloud Scheduler and Pub/Sub call are not
  # reachable from outside. Both services count as internal when they call from the same project.
  ingress              = contains(["poll", "gmail-push", "ingest-mailbox"], each.key) ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"
  invoker_iam_disabled = false
  iap_enabled          = each.key == "console" && var.iap
  # A function of an option is not protected, because Terraform would refuse to turn the option off.
  deletion_protection = var.deletion_protection && !contains(["attachment-url", "gmail-push", "ingest-mailbox"], each.key)

  template {
    labels          = local.labels
    service_account = local.account_emails[each.value.account]

    # Longer than the run budget, so that a run ends before the timeout.
    timeout = "${local.timeout_seconds}s"

    # Below Cloud Run's default of 80: concurrent requests share the memory and the few connections of an instance.
    max_instance_request_concurrency = each.value.concurrency

    scaling {
      # No idle instance: nothing runs between two polls, and a cold start takes a fraction of a second.
      min_instance_count = 0
      # The limit follows from the database connections, not from load: instances times pool size.
      max_instance_count = local.instances[each.key]
    }

    containers {
      image          = local.image
      base_image_uri = local.base_image

      resources {
        limits = {
          # Cloud Run requires a whole CPU for more than one concurrent request.
          cpu    = "1"
          memory = each.value.memory
        }
        # All work happens during requests, so CPU is allocated and billed only then.
        cpu_idle = true
        # Most of a cold start is loading the code.
        startup_cpu_boost = true
      }

      dynamic "env" {
        # A function that meets an outdated schema calls migrate.
        for_each = merge(local.function_environments[each.key], { MIGRATE_URL = google_cloud_run_v2_service.migrate.uri })
        content {
          name  = env.key
          value = tostring(env.value)
        }
      }

      # The Cloud SQL socket: encrypted and authenticated up to the instance. The client library expects this path.
      dynamic "volume_mounts" {
        for_each = local.cloudsql_sockets
        content {
          name       = volume_mounts.value
          mount_path = "/cloudsql"
        }
      }

      dynamic "volume_mounts" {
        for_each = each.value.credentials ? google_secret_manager_secret.credential : {}
        content {
          name       = volume_mounts.key
          mount_path = "/secrets/${volume_mounts.key}"
        }
      }
    }

    dynamic "volumes" {
      for_each = local.cloudsql_sockets
      content {
        name = volumes.value
        cloud_sql_instance {
          instances = [local.instance_connection_name]
        }
      }
    }

    dynamic "vpc_access" {
      for_each = local.vpc_accesses
      content {
        egress = vpc_access.value.egress
        network_interfaces {
          network    = vpc_access.value.network
          subnetwork = vpc_access.value.subnetwork
        }
      }
    }

    dynamic "volumes" {
      for_each = each.value.credentials ? google_secret_manager_secret.credential : {}
      content {
        name = volumes.key
        secret {
          secret = volumes.value.secret_id
          # Each read returns the newest version, so a new authorization needs no deployment.
          items {
            version = "latest"
            path    = "value"
          }
        }
      }
    }
  }

  # Everything that a revision needs to start: its image, the credentials and the permission to read them, the database
  # and the user to log in with.
  depends_on = [
    google_secret_manager_secret_version.empty,
    google_sql_database.main,
    google_sql_user.function,
    terraform_data.image,
    time_sleep.grants,
  ]
}
