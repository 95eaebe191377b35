# Metrics, alerts and the dashboard, with mock providers.

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

variables {
  project_id   = "orders-project"
  alert_emails = ["ops@example.com"]
}

run "every_alert_has_a_runbook_and_recipients" {
  assert {
    condition     = length(google_monitoring_alert_policy.alert) >= 12
    error_message = "There must be at least twelve alerts."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert : alltrue([
      for part in ["### Meaning\n", "### Check\n", "### How to fix\n"] : strcontains(alert.documentation[0].content, part)
    ])])
    error_message = "Each runbook must have the sections Meaning, Check and How to fix."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : length(alert.documentation[0].content) <= 8192 && alert.documentation[0].mime_type == "text/markdown"])
    error_message = "Cloud Monitoring accepts at most 8,192 characters of Markdown."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.notification_channels == tolist(["projects/orders-project/notificationChannels/1"])])
    error_message = "Each alert must use the notification channels of the deployment."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : contains(["CRITICAL", "ERROR", "WARNING"], alert.severity)])
    error_message = "Each alert must have a severity."
  }
  assert {
    condition     = alltrue([for key, alert in google_monitoring_alert_policy.alert : tomap(alert.user_labels) == tomap(merge(local.labels, { alert = key }))])
    error_message = "Each alert must have the labels of the deployment and its own name."
  }
  assert {
    condition     = length(distinct([for alert in google_monitoring_alert_policy.alert : alert.display_name])) == length(google_monitoring_alert_policy.alert)
    error_message = "No two alerts may have the same title."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.documentation[0].subject == "email-monitor: ${alert.display_name}"])
    error_message = "The subject of a notification must name the deployment."
  }
}

run "runbooks_refer_only_to_this_deployment" {
  variables {
    name   = "orders-monitor"
    region = "europe-west4"
  }
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
}

run "no_successful_cycle_waits_at_least_the_delay_of_log_metrics" {
  command = plan
  variables {
    poll_interval_seconds = 60
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "600s"
    error_message = "Log-based metrics can be ten minutes late, so the absence must last at least ten minutes."
  }
}

run "no_successful_cycle_waits_three_intervals_of_five_minutes" {
  command = plan
  variables {
    poll_interval_seconds = 300
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "900s"
    error_message = "The absence must last three intervals."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].aggregations[0].alignment_period == "900s"
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
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "2700s"
    error_message = "The absence must last three intervals."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["messages-are-dead"].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "1800s"
    error_message = "The window of a state must contain at least two runs."
  }
}

run "a_daily_poll_has_no_absence_condition" {
  command = plan
  variables {
    poll_interval_seconds = 86400
  }
  assert {
    condition     = length(flatten(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[*].condition_absent)) == 0
    error_message = "An absence condition of 23.5 hours would be met every day."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "88200s"
    error_message = "The window must be longer than the interval."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) + tonumber(trimsuffix(threshold.duration, "s")) <= 90000
    ]]))
    error_message = "Cloud Monitoring looks back at most 25 hours."
  }
}

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # "No successful cycle" counts successful scheduled runs, and missing data counts as none.
  assert {
    condition = alltrue([for part in ["metric.labels.trigger=\"schedule\"", "metric.labels.outcome=one_of(\"completed\",\"out_of_time\")", "logging.googleapis.com/user/email-monitor-runs\""] :
      strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].filter, part)
    ])
    error_message = "Scheduled runs that completed or ran out of time must count as successful."
  }
  assert {
    condition = (
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].comparison == "COMPARISON_LT" &&
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].threshold_value == 1 &&
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_ACTIVE"
    )
    error_message = "The condition must be met by fewer than one run and by missing data."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].alert_strategy[0].auto_close == "604800s"
    error_message = "The incident must stay open while no run takes place."
  }

  # Every metric of an alert is defined here or is a known metric of Google Cloud.
  assert {
    condition = length(setsubtract(
      flatten([for alert in google_monitoring_alert_policy.alert : [
        for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) :
        regex("metric.type=\"([^\"]+)\"", condition.filter)[0]
      ]]),
      concat(
        [for metric in merge(google_logging_metric.counter, google_logging_metric.value) : "logging.googleapis.com/user/${metric.name}"],
        [
          "cloudsql.googleapis.com/database/disk/bytes_used",
          "cloudsql.googleapis.com/database/disk/utilization",
          "cloudsql.googleapis.com/database/postgresql/num_backends",
          "pubsub.googleapis.com/subscription/num_undelivered_messages",
          "run.googleapis.com/request_count",
        ],
      ),
    )) == 0
    error_message = "An alert uses an unknown metric, so it would never fire."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) : [
        for key, metric in google_logging_metric.value :
        condition.aggregations[0].per_series_aligner == "ALIGN_DELTA" && startswith(condition.aggregations[0].cross_series_reducer, "REDUCE_PERCENTILE_")
        if strcontains(condition.filter, "user/${metric.name}\"")
      ]
    ]]))
    error_message = "A distribution must be reduced to a percentile."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for label in flatten([for condition in flatten(alert.conditions[*].condition_threshold) : regexall("metric.labels.([a-z_]+)", condition.filter)]) :
      contains(concat(keys(local.log_counters.runs.labels), keys(local.log_counters.incidents.labels), ["response_code_class"]), label)
    ]]))
    error_message = "An alert uses a label that its metric does not have."
  }

  # Every counter has an alert.
  assert {
    condition = alltrue([for key in keys(local.log_counters) : anytrue(flatten([
      for alert in google_monitoring_alert_policy.alert : [
        for threshold in flatten(alert.conditions[*].condition_threshold) : strcontains(threshold.filter, "/email-monitor-${key}\"")
      ]
    ]))])
    error_message = "No alert uses a counter."
  }

  # Metrics do not extract null.
  assert {
    condition = alltrue([for key, metric in google_logging_metric.value :
      metric.value_extractor == "EXTRACT(jsonPayload.${local.log_values[key].field})" &&
      endswith(metric.filter, "jsonPayload.${local.log_values[key].field}>=0") &&
      metric.metric_descriptor[0].value_type == "DISTRIBUTION" && metric.metric_descriptor[0].metric_kind == "DELTA"
    ])
    error_message = "A metric must extract a value only from lines that have it."
  }
  assert {
    condition = alltrue([for metric in google_logging_metric.counter :
      toset(keys(metric.label_extractors == null ? {} : metric.label_extractors)) == toset(metric.metric_descriptor[0].labels[*].key)
    ])
    error_message = "The labels and the label extractors must match."
  }

  # The alerts watch the database and the dead letters of this deployment.
  assert {
    condition = alltrue([for key in ["connections-run-short", "database-disk-fills-up"] :
      strcontains(google_monitoring_alert_policy.alert[key].conditions[0].condition_threshold[0].filter, "resource.labels.database_id=\"orders-project:${google_sql_database_instance.main[0].name}\"")
    ])
    error_message = "database_id must be project:instance."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["pushes-are-given-up"].conditions[0].condition_threshold[0].filter, "subscription_id=\"${google_pubsub_subscription.dead_letter.name}\"")
    error_message = "The alert must watch the dead-letter subscription."
  }

  # The dashboard shows every value metric, and only existing metrics.
  assert {
    condition = length(setsubtract(
      flatten([for text in regexall("metric.type=\\\\\"([^\\\\]+)\\\\\"", google_monitoring_dashboard.this.dashboard_json) : text]),
      concat(
        [for metric in merge(google_logging_metric.counter, google_logging_metric.value) : "logging.googleapis.com/user/${metric.name}"],
        [
          "cloudsql.googleapis.com/database/disk/bytes_used",
          "cloudsql.googleapis.com/database/postgresql/num_backends",
          "pubsub.googleapis.com/subscription/oldest_unacked_message_age",
          "run.googleapis.com/container/instance_count",
          "run.googleapis.com/request_count",
          "run.googleapis.com/request_latencies",
        ],
      ),
    )) == 0
    error_message = "A chart uses an unknown metric."
  }
  assert {
    condition = length(setsubtract(
      flatten(regexall("googleapis_com:user_([a-z0-9_]+)_sum\\{", google_monitoring_dashboard.this.dashboard_json)),
      [for metric in google_logging_metric.value : replace(metric.name, "-", "_")],
    )) == 0
    error_message = "A PromQL query uses an unknown metric."
  }
  assert {
    condition = alltrue([for key, metric in google_logging_metric.value :
      strcontains(google_monitoring_dashboard.this.dashboard_json, "user/${metric.name}\\\"") ||
      strcontains(google_monitoring_dashboard.this.dashboard_json, "user_${replace(metric.name, "-", "_")}_sum")
    ])
    error_message = "A value metric is missing from the dashboard."
  }

  # The dashboard sets no default values, and its tiles do not overlap.
  assert {
    condition     = alltrue([for default in ["Pos\":0", ":[]", ":null", ":\"\"", ":{}"] : !strcontains(google_monitoring_dashboard.this.dashboard_json, default)])
    error_message = "Cloud Monitoring does not return default values, so every plan would show a change."
  }
  assert {
    condition = length(distinct([for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles :
      "${try(tile.xPos, 0)},${try(tile.yPos, 0)}"
    ])) == length(local.tiles)
    error_message = "Two tiles overlap."
  }
  assert {
    condition = alltrue([for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles :
      try(tile.xPos, 0) + tile.width <= jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.columns
    ])
    error_message = "A tile exceeds the width of the grid."
  }
  assert {
    condition = alltrue(flatten([for tile in local.tiles : [
      for line in tile.lines : (line.aligner == "ALIGN_DELTA") == anytrue([
        for part in concat([for metric in google_logging_metric.value : "user/${metric.name}\""], ["run.googleapis.com/request_latencies\""]) : strcontains(line.filter, part)
      ]) if !can(line.query)
    ]]))
    error_message = "Distributions, and only they, must use ALIGN_DELTA."
  }
}

run "conditions_follow_the_limits_of_cloud_monitoring" {
  command = plan
  variables {
    poll_interval_seconds = 3600
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.duration, "s")) >= 60 && tonumber(trimsuffix(threshold.duration, "s")) % 60 == 0
    ]]))
    error_message = "A condition that evaluates missing data must last whole minutes, at least one."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) % 60 == 0 &&
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) + tonumber(trimsuffix(threshold.duration, "s")) <= 90000
    ]]))
    error_message = "A window must be whole minutes, and window plus duration at most 25 hours."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for absence in flatten(alert.conditions[*].condition_absent) :
      tonumber(trimsuffix(absence.duration, "s")) >= 120 && tonumber(trimsuffix(absence.duration, "s")) <= 84600
    ]]))
    error_message = "An absence condition must last between two minutes and 23.5 hours."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) >= 1800 && tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) <= 604800
    ])
    error_message = "auto_close must be between 30 minutes and seven days."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) :
      condition.aggregations[0].cross_series_reducer != "REDUCE_NONE" && condition.aggregations[0].group_by_fields == null
    ]]))
    error_message = "All series must be reduced to one, so that the end of an old revision's series triggers no alert."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) :
      length(regexall("resource.type=\"[a-z_]+\"", condition.filter)) == 1 && length(regexall("metric.type=\"", condition.filter)) == 1
    ]]))
    error_message = "A filter must name one resource type and one metric."
  }
}

run "metrics_count_only_lines_of_this_deployment" {
  command = plan
  variables {
    name = "orders-monitor"
  }
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
}

run "thresholds_follow_the_variables" {
  command = plan
  variables {
    alert_connections_percent     = 60
    alert_disk_percent            = 70
    database_disk_limit_gb        = 200
    alert_live_waiting_seconds    = 1200
    alert_stored_within_seconds   = 30
    alert_watch_remaining_seconds = 43200
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["connections-run-short"].conditions[0].condition_threshold[0].threshold_value == floor(local.database_max_connections * 0.6)
    error_message = "The threshold must be 60 % of the maximum number of connections."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_threshold[0].threshold_value == 140 * 1073741824
    error_message = "The threshold must be 70 % of the maximum size. A share of the current size would be exceeded before each growth."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[1].condition_threshold[0].threshold_value == 0.98
    error_message = "A disk that does not grow must trigger the alert below its limit too."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-live-waiting"].filter, "jsonPayload.live_waiting_s>1200")
    error_message = "The filter must use the threshold for live mail."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["mail-is-stored-late"].conditions[0].condition_threshold[0].threshold_value == 30000
    error_message = "The threshold must be in milliseconds."
  }
  assert {
    condition     = contains(google_logging_metric.value["arrival-to-stored-ms"].bucket_options[0].explicit_buckets[0].bounds, 30000)
    error_message = "The threshold must be a bucket bound, so that the comparison with the percentile is exact."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-watch-ending"].filter, "jsonPayload.watch_remaining_s<43200")
    error_message = "The filter must use the threshold for the watch."
  }
}

run "a_disk_without_limit_has_only_the_growth_condition" {
  command = plan
  variables {
    database_disk_limit_gb = 0
  }
  assert {
    condition     = length(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions) == 1 && google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_threshold[0].threshold_value == 0.98
    error_message = "Without a limit only the condition for a full disk must remain."
  }
  assert {
    condition     = strcontains(local.alerts["database-disk-fills-up"].thresholds[0].filter, "disk/utilization\"") && !strcontains(google_monitoring_dashboard.this.dashboard_json, ":null")
    error_message = "The remaining condition must use the utilization, and the dashboard must have no null threshold."
  }
}

run "smallest_latency_threshold_has_increasing_bucket_bounds" {
  command = plan
  variables {
    alert_stored_within_seconds = 1
    poll_interval_seconds       = 60
  }
  assert {
    condition     = alltrue([for step in range(1, 49) : local.latency_bounds_ms[step] > local.latency_bounds_ms[step - 1]])
    error_message = "Bucket bounds must increase."
  }
}

run "operators_receive_alerts_by_default" {
  command = plan
  variables {
    alert_emails = null
    operators    = ["user:anna@example.com", "group:ops@example.com", "serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
  }
  assert {
    condition     = toset(keys(google_monitoring_notification_channel.email)) == toset(["anna@example.com", "ops@example.com"])
    error_message = "Users and groups must get a channel, service accounts must not."
  }
}

run "alert_emails_replace_operators_and_channels_are_added" {
  variables {
    alert_emails          = ["night@example.com"]
    operators             = ["user:anna@example.com"]
    notification_channels = ["projects/orders-project/notificationChannels/77"]
  }
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

run "output_reports_alerts_without_recipients" {
  command = plan
  variables {
    alert_emails = null
    operators    = ["serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
  }
  assert {
    condition     = startswith(output.alerts_reach, "none")
    error_message = "The output must report that the alerts have no recipients."
  }
}

run "rejects_invalid_variables" {
  command = plan
  variables {
    # An address with an IAM member prefix.
    alert_emails = ["user:ops@example.com"]
    # Percentages out of range.
    alert_disk_percent        = 0
    alert_connections_percent = 100
    # An alert before the watch is renewed.
    alert_watch_remaining_seconds = 518400
    # A channel without its full name.
    notification_channels = ["77"]
  }

  expect_failures = [var.alert_emails, var.alert_disk_percent, var.alert_connections_percent, var.alert_watch_remaining_seconds, var.notification_channels]
}
