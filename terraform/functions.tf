# The eight deployed functions, a Cloud Run service each. What they differ in stands in local.functions.

locals {
  # What every function reads from its environment; .env.example says what each name means.
  environment = {
    CLOUD_SQL_INSTANCE           = local.instance_connection_name
    DB_NAME                      = local.database_name
    GMAIL_INITIAL_QUERY          = var.gmail_initial_query
    GMAIL_LABEL_ID               = var.gmail_label_id
    GMAIL_POLL_INTERVAL_SECONDS  = var.poll_interval_seconds
    GMAIL_PUBSUB_TOPIC           = google_pubsub_topic.gmail.id
    GMAIL_QUOTA_UNITS_PER_MINUTE = var.gmail_quota_units_per_minute
    GMAIL_SETTLE_SECONDS         = var.gmail_settle_seconds
    GOOGLE_CLOUD_PROJECT         = var.project_id
    LOG_FORMAT                   = "json"
    LOG_LEVEL                    = var.log_level
    NODE_ENV                     = "production"
    RUN_BUDGET_SECONDS           = var.run_budget_seconds
    SCHEDULER_JOB                = local.scheduler_job_id
  }

  # Files, not variables: what a variable holds is fixed when an instance starts, a file is read again. A mount takes a
  # whole folder, so each secret has one.
  credential_environment = {
    GMAIL_CLIENT_ID_FILE     = "/secrets/client-id/value"
    GMAIL_CLIENT_SECRET_FILE = "/secrets/client-secret/value"
    GMAIL_REFRESH_TOKEN_FILE = "/secrets/refresh-token/value"
  }

  function_environments = {
    for key, function in local.functions : key => merge(
      local.environment,
      function.credentials ? local.credential_environment : {},
      function.environment,
      {
        DB_POOL_SIZE = function.pool
        DB_USER      = local.database_users[key]
      },
    )
  }
}

resource "google_cloud_run_v2_service" "function" {
  for_each = local.functions

  project     = var.project_id
  location    = var.region
  name        = "${var.name}-${each.key}"
  description = "Email Monitor: ${each.key}"
  labels      = local.labels

  # Who may call is for IAM alone; beside that, what only Cloud Scheduler and Pub/Sub call is not to be reached from
  # outside at all. Both count as internal when they call from the same project.
  ingress              = contains(["poll", "gmail-push"], each.key) ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"
  invoker_iam_disabled = false
  deletion_protection  = var.deletion_protection

  build_config {
    source_location          = local.source_location
    function_target          = each.value.target
    image_uri                = local.images[each.key]
    base_image               = local.base_image
    enable_automatic_updates = true
    service_account          = local.build_account
  }

  template {
    labels          = local.labels
    service_account = local.function_emails[each.key]

    # Above the budget, so that a run ends by itself. A migration has no budget and may rewrite a table: it goes on when
    # whoever called it has given up.
    timeout = each.key == "migrate" ? "900s" : "${local.timeout_seconds}s"

    # Below Cloud Run's 80: what an instance takes at a time shares its memory and its few connections.
    max_instance_request_concurrency = each.value.concurrency

    scaling {
      # Nothing runs between two ticks, and a cold start costs a fraction of a second: no instance is paid for idling.
      min_instance_count = 0
      # Connections, not load, decide: instances times pool is what the database must bear.
      max_instance_count = local.instances[each.key]
    }

    containers {
      image          = local.images[each.key]
      base_image_uri = local.base_image

      resources {
        limits = {
          # More than one request at a time needs a whole CPU.
          cpu = "1"
          # A message of 35 MB was seen to take 377 MiB at its peak, and there are such of 50 MB.
          memory = each.value.fetches ? "1Gi" : "512Mi"
        }
        # Work is done inside requests only, and only they are paid for.
        cpu_idle = true
        # Loading the code is most of a cold start.
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.function_environments[each.key]
        content {
          name  = env.key
          value = tostring(env.value)
        }
      }

      # A socket that is encrypted and checked up to the instance, for the path that the client library builds itself.
      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }

      dynamic "volume_mounts" {
        for_each = each.value.credentials ? google_secret_manager_secret.credential : {}
        content {
          name       = volume_mounts.key
          mount_path = "/secrets/${volume_mounts.key}"
        }
      }
    }

    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [local.instance_connection_name]
      }
    }

    dynamic "volumes" {
      for_each = each.value.credentials ? google_secret_manager_secret.credential : {}
      content {
        name = volumes.key
        secret {
          secret = volumes.value.secret_id
          # The newest at each reading: a new authorization needs no deployment.
          items {
            version = "latest"
            path    = "value"
          }
        }
      }
    }
  }

  # A revision starts, or fails to, with what it needs: its images, its credentials and the right to read them, and the
  # account that it logs in to the database with.
  depends_on = [
    google_project_iam_member.cloudsql,
    google_project_service.required,
    google_secret_manager_secret_iam_member.function_reads,
    google_secret_manager_secret_version.empty,
    google_sql_database.main,
    google_sql_user.function,
    terraform_data.build,
  ]
}
