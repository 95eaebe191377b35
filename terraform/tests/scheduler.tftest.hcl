# The scheduler job: its schedule and the call of poll.

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
  # Some runs apply, and must not build an image.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

run "runs_every_minute" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "The job must call poll every minute."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 60
    error_message = "The functions must get the interval of the variable."
  }
}

run "runs_every_minute_with_any_poll_interval" {
  command = plan
  variables {
    poll_interval_seconds = 5400
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "poll decides what is due: a push hint, a message due for retry or an unfinished listing does not wait for the interval."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 5400
    error_message = "The functions must get the interval of the variable."
  }
}

# The created job is paused, which matches the is_running flag of a new database.
run "calls_poll_with_its_token" {
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].uri == google_cloud_run_v2_service.function["poll"].uri
    error_message = "The job must call poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].audience == google_cloud_run_v2_service.function["poll"].uri
    error_message = "Cloud Run rejects a token for another audience."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].service_account_email == "email-monitor-scheduler@orders-example.iam.gserviceaccount.com"
    error_message = "The job must call as the account that may invoke poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].http_method == "POST"
    error_message = "poll accepts only POST."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.id != "" && local.environment.SCHEDULER_JOB == "projects/${google_cloud_scheduler_job.poll.project}/locations/${google_cloud_scheduler_job.poll.region}/jobs/${google_cloud_scheduler_job.poll.name}"
    error_message = "The functions must pause and resume this job."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.paused
    error_message = "The job must be paused until the first start, like the is_running flag."
  }
}

run "accepts_a_region_with_a_direction_of_two_words" {
  command = plan
  variables {
    region = "northamerica-northeast2"
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.region == "northamerica-northeast2"
    error_message = "The job must be in the region of the services."
  }
}
