# The function migrate, which updates the schema and the grants of the database. It is a resource of its own, because the
# other functions call it at its URL, and a service cannot refer to another one of the same for_each.

resource "google_cloud_run_v2_service" "migrate" {
  project     = var.project_id
  location    = var.region
  name        = "${var.name}-migrate"
  description = "Email Monitor: migrate"
  labels      = local.labels

  # IAM alone decides who may call it. A call from another service counts as external, unless it passes through a VPC.
  ingress              = "INGRESS_TRAFFIC_ALL"
  invoker_iam_disabled = false
  deletion_protection  = var.deletion_protection

  template {
    labels          = local.labels
    service_account = local.function_emails["migrate"]

    # A migration has no budget and may rewrite a table, so it continues after the caller has timed out.
    timeout                          = "900s"
    max_instance_request_concurrency = local.functions["migrate"].concurrency

    scaling {
      min_instance_count = 0
      max_instance_count = local.instances["migrate"]
    }

    containers {
      image          = local.image
      base_image_uri = local.base_image

      resources {
        limits = {
          cpu    = "1"
          memory = "512Mi"
        }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.function_environments["migrate"]
        content {
          name  = env.key
          value = tostring(env.value)
        }
      }

      volume_mounts {
        name       = "cloudsql"
        mount_path = "/cloudsql"
      }
    }

    volumes {
      name = "cloudsql"
      cloud_sql_instance {
        instances = [local.instance_connection_name]
      }
    }
  }

  depends_on = [
    google_sql_database.main,
    google_sql_user.function,
    terraform_data.image,
    time_sleep.grants,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "function_calls_migrate" {
  for_each = { for key, email in local.function_emails : key => email if key != "migrate" }

  project  = var.project_id
  location = google_cloud_run_v2_service.migrate.location
  name     = google_cloud_run_v2_service.migrate.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${each.value}"
}
