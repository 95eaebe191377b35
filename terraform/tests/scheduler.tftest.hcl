# The scheduler job with other intervals and regions. defaults.tftest.hcl and applied.tftest.hcl have the default job.

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

run "runs_every_minute_with_any_poll_interval_and_in_any_region" {
  command = plan
  variables {
    poll_interval_seconds = 5400
    region                = "northamerica-northeast2"
  }

  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "poll decides what is due: a push hint, a message due for retry or an unfinished listing does not wait for the interval."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 5400
    error_message = "The functions must get the interval of the variable."
  }

  # A region whose direction has two words.
  assert {
    condition     = google_cloud_scheduler_job.poll.region == "northamerica-northeast2"
    error_message = "The job must be in the region of the services."
  }
}
