# The scheduler job: its ticks, the intervals that are refused, and the call to poll.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

run "ticks_every_minute" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "The job calls poll every minute."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 60
    error_message = "The functions keep the interval of the variable."
  }
}

run "ticks_every_minute_whatever_the_poll_interval_is" {
  command = plan
  variables {
    poll_interval_seconds = 5400
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "A push, a message that is due again or a cut listing does not wait for the interval: poll decides what is due."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 5400
    error_message = "The functions keep the interval of the variable."
  }
}

run "refuses_30_seconds_which_are_below_a_tick" {
  command = plan
  variables {
    poll_interval_seconds = 30
  }
  expect_failures = [var.poll_interval_seconds]
}

run "refuses_an_interval_above_a_day" {
  command = plan
  variables {
    poll_interval_seconds = 86460
  }
  expect_failures = [var.poll_interval_seconds]
}

run "refuses_90_seconds_which_are_no_whole_minutes" {
  command = plan
  variables {
    poll_interval_seconds = 90
  }
  expect_failures = [var.poll_interval_seconds]
}

# The job as it is made: paused, like the is_running flag of a new database.
run "calls_poll_with_a_token_for_poll" {
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].uri == google_cloud_run_v2_service.function["poll"].uri
    error_message = "The job must call poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].audience == google_cloud_run_v2_service.function["poll"].uri
    error_message = "A token for another audience is refused by Cloud Run."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].service_account_email == "email-monitor-scheduler@orders-example.iam.gserviceaccount.com"
    error_message = "The job must call as the account that may invoke poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].http_method == "POST"
    error_message = "poll answers POST alone."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.id != "" && local.environment.SCHEDULER_JOB == "projects/${google_cloud_scheduler_job.poll.project}/locations/${google_cloud_scheduler_job.poll.region}/jobs/${google_cloud_scheduler_job.poll.name}"
    error_message = "The functions must pause and resume this job."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.paused
    error_message = "Until the first start the job is paused and the is_running flag is false."
  }
}
