# The scheduler job that calls poll, and the permissions to pause and resume it. start and stop do that, so Terraform
# ignores whether the job is paused.

resource "google_cloud_scheduler_job" "poll" {
  project     = var.project_id
  region      = var.region
  name        = local.scheduler_job_name
  description = "Email Monitor: calls poll every minute."
  # Independent of the poll interval. poll answers `not_due` until the interval is over, unless there is earlier work: a
  # push hint, a message due for retry, an unfinished listing, or the end of a backoff.
  schedule  = "* * * * *"
  time_zone = "Etc/UTC"

  # Matches the is_running flag of a new database, which is false until the first start.
  paused = true

  # Longer than the timeout of the service, so that the job records how each run ended.
  attempt_deadline = "${local.deadline_seconds}s"

  # One retry for a transient error. After that the next minute's call is soon enough.
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
    # An apply must not undo an operator's start or stop.
    ignore_changes = [paused]
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}

# Cloud Scheduler supports neither grants on a single job nor IAM conditions on its name, so these grants apply to the
# whole project. The only predefined role that can pause a job can also create and delete jobs, so this role contains
# just the permissions that the code uses.
# https://cloud.google.com/iam/docs/roles-permissions/cloudscheduler

resource "google_project_iam_custom_role" "scheduler_switch" {
  project = var.project_id
  # Google blocks the id of a deleted role for up to 37 days. The number of an account is never used again, so a
  # deployment that is destroyed and created again gets another id.
  role_id     = "${replace(var.name, "-", "_")}_scheduler_${google_service_account.function["control"].unique_id}"
  title       = "${var.name} scheduler control"
  description = "View, pause and resume Cloud Scheduler jobs. Does not include creating, changing or running jobs."
  permissions = ["cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause"]
}

resource "google_project_iam_member" "scheduler_switch" {
  for_each = toset([for function in local.functions : function.account if function.controls_scheduler])

  project = var.project_id
  role    = google_project_iam_custom_role.scheduler_switch.name
  member  = "serviceAccount:${local.account_emails[each.key]}"
}

# status reports whether the state of the job matches the is_running flag.
resource "google_project_iam_member" "scheduler_reader" {
  project = var.project_id
  role    = "roles/cloudscheduler.viewer"
  member  = "serviceAccount:${local.account_emails["status"]}"
}
