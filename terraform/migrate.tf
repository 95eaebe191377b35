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
    service_account = local.account_emails["migrate"]

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

      dynamic "volume_mounts" {
        for_each = local.cloudsql_sockets
        content {
          name       = volume_mounts.value
          mount_path = "/cloudsql"
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
  }

  depends_on = [
    google_sql_database.main,
    google_sql_user.function,
    terraform_data.image,
    time_sleep.grants,
  ]
}

resource "google_cloud_run_v2_service_iam_member" "function_calls_migrate" {
  for_each = { for key, email in local.account_emails : key => email if key != "migrate" }

  project  = var.project_id
  location = google_cloud_run_v2_service.migrate.location
  name     = google_cloud_run_v2_service.migrate.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${each.value}"
}
