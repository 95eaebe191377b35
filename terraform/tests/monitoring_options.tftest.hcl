# Metrics and alerts with other names, recipients, intervals and thresholds, with mock providers.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_monitoring_notification_channel" {
    defaults = { id = "projects/orders-project/notificationChannels/1" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://service.example.com" }
  }
}

mock_provider "archive" {}

mock_provider "time" {}

variables {
  project_id   = "orders-project"
  alert_emails = ["ops@example.com"]
  # Some runs apply, and must not build an image.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

run "runbooks_metrics_and_recipients_are_those_of_this_deployment" {
  variables {
    name   = "orders-monitor"
    region = "europe-west4"
    labels = { app = "other" }

    alert_emails          = ["night@example.com"]
    operators             = ["user:anna@example.com"]
    notification_channels = ["projects/orders-project/notificationChannels/77"]
  }

  # Runbooks refer only to this deployment.
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : !strcontains(alert.documentation[0].content, "email-monitor")])
    error_message = "A runbook must not name another deployment."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for url in regexall("https?://[^ )\"]+", alert.documentation[0].content) : startswith(url, "https://service.example.com")
    ]]))
    error_message = "A runbook must not link outside the deployment."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for line in split("\n", alert.documentation[0].content) : strcontains(line, "--project=orders-project")
      if can(regex("^ +gcloud ", line))
    ]]))
    error_message = "Every gcloud command of a runbook must set the project."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].documentation[0].content, "describe orders-monitor-poll --location=europe-west4")
    error_message = "The runbook must name the job and region of this deployment."
  }

  # Metrics count only lines of this deployment.
  assert {
    condition = alltrue([for metric in merge(google_logging_metric.counter, google_logging_metric.value) :
      strcontains(metric.filter, "resource.labels.service_name=(\"orders-monitor-poll\" OR \"orders-monitor-gmail-push\" OR \"orders-monitor-poll-now\" OR \"orders-monitor-console\")")
    ])
    error_message = "A metric must not count lines of other services."
  }
  assert {
    condition     = alltrue([for key, metric in merge(google_logging_metric.counter, google_logging_metric.value) : metric.name == "orders-monitor-${key}"])
    error_message = "Metric names must contain the name of the deployment."
  }

  # labels cannot override app.
  assert {
    condition     = google_storage_bucket.source.labels["app"] == "orders-monitor"
    error_message = "The label app must be the name of the deployment."
  }

  # alert_emails replace operators, and channels are added.
  assert {
    condition     = keys(google_monitoring_notification_channel.email) == ["night@example.com"]
    error_message = "Only alert_emails must get a channel."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : contains(alert.notification_channels, "projects/orders-project/notificationChannels/77") && length(alert.notification_channels) == 2])
    error_message = "Existing channels must be used too."
  }
  assert {
    condition     = output.alerts_reach == "night@example.com, projects/orders-project/notificationChannels/77"
    error_message = "The output must list the recipients."
  }
}

run "no_successful_cycle_waits_three_intervals_of_five_minutes" {
  command = plan
  variables {
    poll_interval_seconds = 300
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_prometheus_query_language[0].query, "[900s]")
    error_message = "The window must cover three intervals."
  }
  assert {
    condition     = local.runbook.silence_minutes == 15
    error_message = "The runbook must contain the duration."
  }
}

run "no_successful_cycle_waits_three_intervals_of_fifteen_minutes" {
  command = plan
  variables {
    poll_interval_seconds = 900
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_prometheus_query_language[0].query, "[2700s]")
    error_message = "The window must cover three intervals."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["messages-are-dead"].conditions[0].condition_prometheus_query_language[0].query, "[1800s]")
    error_message = "The window of a state must contain at least two runs."
  }
}

run "no_query_looks_back_further_than_cloud_monitoring" {
  command = plan
  variables {
    poll_interval_seconds = 86400
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_prometheus_query_language[0].query, "[88200s]")
    error_message = "The window must be longer than the interval."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for window in flatten(regexall("\\[([0-9]+)s\\]", alert.conditions[0].condition_prometheus_query_language[0].query)) :
      tonumber(window) + tonumber(trimsuffix(alert.conditions[0].condition_prometheus_query_language[0].duration, "s")) <= 90000
    ]]))
    error_message = "Beyond 25 hours Cloud Monitoring evaluates a query more rarely."
  }
}

run "thresholds_follow_the_variables_within_the_limits_of_cloud_monitoring" {
  command = plan
  variables {
    poll_interval_seconds         = 3600
    alert_connections_percent     = 60
    alert_disk_percent            = 70
    database_disk_limit_gb        = 200
    alert_live_waiting_seconds    = 1200
    alert_stored_within_seconds   = 30
    alert_watch_remaining_seconds = 43200
    consumer_max_wait_seconds     = 7200
  }

  # Thresholds follow the variables.
  assert {
    condition     = endswith(google_monitoring_alert_policy.alert["connections-run-short"].conditions[0].condition_prometheus_query_language[0].query, " > ${floor(local.database_max_connections * 0.6)}")
    error_message = "The threshold must be 60 % of the maximum number of connections."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_prometheus_query_language[0].query, " > ${140 * 1073741824} or ")
    error_message = "The threshold must be 70 % of the maximum size. A share of the current size would be exceeded before each growth."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_prometheus_query_language[0].query, " > 0.98")
    error_message = "A disk that does not grow must trigger the alert below its limit too."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-live-waiting"].filter, "jsonPayload.live_waiting_s>1200")
    error_message = "The filter must use the threshold for live mail."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.alert["mail-is-stored-late"].conditions[0].condition_prometheus_query_language[0].query, " > 30000")
    error_message = "The threshold must be in milliseconds."
  }
  assert {
    condition     = contains(google_logging_metric.value["arrival-to-stored-ms"].bucket_options[0].explicit_buckets[0].bounds, 30000)
    error_message = "The threshold must be a bucket bound, so that the comparison with the percentile is exact."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-queue-waiting"].filter, "jsonPayload.queue_oldest_s>7200")
    error_message = "The filter must use the threshold for consumers."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["emails-wait-for-a-consumer"].documentation[0].content, "more than 7200 s")
    error_message = "The runbook must contain the threshold for consumers."
  }
  assert {
    condition     = local.environment.CONSUMER_MAX_WAIT_SECONDS == 7200
    error_message = "status must give advice at the same time as the alert."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-watch-ending"].filter, "jsonPayload.watch_remaining_s<43200")
    error_message = "The filter must use the threshold for the watch."
  }

  # Conditions follow the limits of Cloud Monitoring.
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      tonumber(trimsuffix(alert.conditions[0].condition_prometheus_query_language[0].duration, "s")) >= 60 && tonumber(trimsuffix(alert.conditions[0].condition_prometheus_query_language[0].evaluation_interval, "s")) % 30 == 0
    ])
    error_message = "A condition must last at least one minute, and its evaluation interval must be a multiple of 30 s."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) >= 1800 && tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) <= 604800
    ])
    error_message = "auto_close must be between 30 minutes and seven days."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      can(regex("^\\(?(sum|max|histogram_quantile)\\(", alert.conditions[0].condition_prometheus_query_language[0].query)) &&
      length(regexall(" by \\(", replace(alert.conditions[0].condition_prometheus_query_language[0].query, "sum by (le)", ""))) == 0
    ])
    error_message = "All series must be reduced to one, so that the end of an old revision's series triggers no alert."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for selector in flatten(regexall("\\{([^}]*)\\}", alert.conditions[0].condition_prometheus_query_language[0].query)) : startswith(selector, "monitored_resource=\"")
    ]]))
    error_message = "A selector must name the resource type, because a log-based metric exists for several."
  }
}

run "works_without_disk_limit_and_alert_emails_and_with_the_smallest_latency" {
  command = plan
  variables {
    alert_emails                = null
    alert_stored_within_seconds = 1
    database_disk_limit_gb      = 0
    operators                   = ["user:anna@example.com", "group:ops@example.com", "serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
    poll_interval_seconds       = 60
  }

  # A disk without limit has only the growth condition.
  assert {
    condition     = startswith(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_prometheus_query_language[0].query, "max(avg_over_time(cloudsql_googleapis_com:database_disk_utilization{") && endswith(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_prometheus_query_language[0].query, " > 0.98")
    error_message = "Without a limit only the condition for a full disk must remain."
  }
  assert {
    condition     = !strcontains(google_monitoring_dashboard.this.dashboard_json, ":null")
    error_message = "The dashboard must have no null threshold."
  }

  # The smallest latency threshold has increasing bucket bounds.
  assert {
    condition     = alltrue([for step in range(1, 49) : local.latency_bounds_ms[step] > local.latency_bounds_ms[step - 1]])
    error_message = "Bucket bounds must increase."
  }

  # Without alert_emails operators receive the alerts.
  assert {
    condition     = toset(keys(google_monitoring_notification_channel.email)) == toset(["anna@example.com", "ops@example.com"])
    error_message = "Users and groups must get a channel, service accounts must not."
  }
}
