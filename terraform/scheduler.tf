# The job that calls poll, and who may pause it. start and stop resume and pause the job, so Terraform leaves that alone.

resource "google_cloud_scheduler_job" "poll" {
  project     = var.project_id
  region      = var.region
  name        = local.scheduler_job_name
  description = "Email Monitor: calls poll every minute."
  # Whatever the poll interval is: poll answers `not_due` until the interval is over, unless a push, a message that is due
  # again, a cut listing or the end of a backoff waits for it.
  schedule  = "* * * * *"
  time_zone = "Etc/UTC"

  # Like the is_running flag of a new database: both are off until the first start.
  paused = true

  # Above the timeout of the service, so that the job shows how a run ended.
  attempt_deadline = "${local.deadline_seconds}s"

  # One more try for an error that passes at once; after that the next tick is near enough.
  retry_config {
    retry_count          = 1
    min_backoff_duration = "5s"
    max_backoff_duration = "10s"
    max_doublings        = 1
  }

  http_target {
    http_method = "POST"
    uri         = google_cloud_run_v2_service.function["poll"].uri
    oidc_token {
      service_account_email = local.scheduler_invoker_email
      audience              = google_cloud_run_v2_service.function["poll"].uri
    }
  }

  lifecycle {
    # An apply would undo what an operator decided.
    ignore_changes = [paused]
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

# Cloud Scheduler has no grants on a single job and knows no conditions on its name, so these hold for the project:
# just what the code calls, and no more. https://cloud.google.com/iam/docs/conditions-attribute-reference

resource "google_project_iam_custom_role" "scheduler_switch" {
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_scheduler_switch"
  title       = "${var.name} scheduler switch"
  description = "Sees, pauses and resumes jobs of Cloud Scheduler; neither makes nor changes nor runs them."
  permissions = ["cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause"]

  depends_on = [google_project_service.required]
}

resource "google_project_iam_custom_role" "scheduler_reader" {
  project     = var.project_id
  role_id     = "${replace(var.name, "-", "_")}_scheduler_reader"
  title       = "${var.name} scheduler reader"
  description = "Sees jobs of Cloud Scheduler."
  permissions = ["cloudscheduler.jobs.get"]

  depends_on = [google_project_service.required]
}

resource "google_project_iam_member" "scheduler_switch" {
  for_each = { for key, function in local.functions : key => function if function.switches }

  project = var.project_id
  role    = google_project_iam_custom_role.scheduler_switch.name
  member  = "serviceAccount:${local.function_emails[each.key]}"
}

# status says whether the job agrees with the is_running flag.
resource "google_project_iam_member" "scheduler_reader" {
  project = var.project_id
  role    = google_project_iam_custom_role.scheduler_reader.name
  member  = "serviceAccount:${local.function_emails["status"]}"
}
