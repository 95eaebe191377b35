# The clock: the cron line of each interval, what is refused, and the call to poll.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

run "ticks_every_minute_unless_told_otherwise" {
  command = plan

  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "60 seconds are one minute."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 60
    error_message = "The functions and the clock must keep the same interval."
  }
}

run "repeats_120_seconds_every_second_minute" {
  command = plan
  variables {
    poll_interval_seconds = 120
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "*/2 * * * *"
    error_message = "120 seconds are two minutes."
  }
  assert {
    condition     = local.environment.GMAIL_POLL_INTERVAL_SECONDS == 120
    error_message = "The functions and the clock must keep the same interval."
  }
}

run "repeats_300_seconds_every_fifth_minute" {
  command = plan
  variables {
    poll_interval_seconds = 300
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "*/5 * * * *"
    error_message = "300 seconds are five minutes."
  }
}

run "repeats_900_seconds_every_quarter_of_an_hour" {
  command = plan
  variables {
    poll_interval_seconds = 900
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "*/15 * * * *"
    error_message = "900 seconds are a quarter of an hour."
  }
}

run "repeats_an_hour_at_its_beginning" {
  command = plan
  variables {
    poll_interval_seconds = 3600
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "0 * * * *"
    error_message = "\"*/60\" is no minute: an hour has its own form."
  }
}

run "repeats_six_hours_by_the_hour" {
  command = plan
  variables {
    poll_interval_seconds = 21600
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "0 */6 * * *"
    error_message = "21600 seconds are six hours."
  }
}

run "repeats_a_day_at_midnight" {
  command = plan
  variables {
    poll_interval_seconds = 86400
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "0 0 * * *"
    error_message = "86400 seconds are a day."
  }
}

run "refuses_30_seconds_which_are_below_a_minute" {
  command = plan
  variables {
    poll_interval_seconds = 30
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

run "refuses_420_seconds_which_do_not_divide_an_hour" {
  command = plan
  variables {
    poll_interval_seconds = 420
  }
  expect_failures = [var.poll_interval_seconds]
}

run "refuses_18000_seconds_which_do_not_divide_a_day" {
  command = plan
  variables {
    poll_interval_seconds = 18000
  }
  expect_failures = [var.poll_interval_seconds]
}

# The job as it is made: paused, like the switch.
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
    error_message = "The functions must switch the job that there is."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.paused
    error_message = "Until the first start clock and switch are both off."
  }
}
