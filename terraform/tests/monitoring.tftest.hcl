# Metrics, alerts and the dashboard of the default deployment, with mock providers.

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

run "every_alert_has_a_runbook_and_recipients" {
  assert {
    condition     = length(google_monitoring_alert_policy.alert) >= 15
    error_message = "There must be at least fifteen alerts."
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

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # "No successful cycle" counts successful scheduled runs, and missing data counts as none.
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_prometheus_query_language[0].query == "(sum(increase(logging_googleapis_com:user_email_monitor_runs{monitored_resource=\"cloud_run_revision\",trigger=\"schedule\",outcome=~\"completed|out_of_time\"}[600s])) or vector(0)) == 0"
    error_message = "Scheduled runs that completed or ran out of time must count as successful, and missing data as no run."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_prometheus_query_language[0].query, "[600s]")
    error_message = "Log-based metrics can be ten minutes late, so the window must cover at least ten minutes."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.alert_strategy[0].auto_close == "604800s"])
    error_message = "An incident must stay open while its cause lasts."
  }

  # A first apply creates alerts before Cloud Monitoring knows their metrics.
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "Cloud Monitoring would reject the alert with 404 until it knows the metric."
  }

  # Every metric of an alert is defined here or is a known metric of Google Cloud.
  assert {
    condition = length(setsubtract(
      flatten([for alert in google_monitoring_alert_policy.alert : regexall("([a-z_]+:[a-z0-9_]+)\\{", alert.conditions[0].condition_prometheus_query_language[0].query)]),
      concat(
        [for metric in google_logging_metric.counter : "logging_googleapis_com:user_${replace(metric.name, "-", "_")}"],
        flatten([for metric in google_logging_metric.value : [for part in ["bucket", "sum"] : "logging_googleapis_com:user_${replace(metric.name, "-", "_")}_${part}"]]),
        [
          "cloudsql_googleapis_com:database_disk_bytes_used",
          "cloudsql_googleapis_com:database_disk_utilization",
          "cloudsql_googleapis_com:database_postgresql_num_backends",
          "pubsub_googleapis_com:subscription_num_undelivered_messages",
        ],
      ),
    )) == 0
    error_message = "An alert uses an unknown metric, so it would never fire."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      length(regexall("([a-z_]+:[a-z0-9_]+)\\{monitored_resource=", alert.conditions[0].condition_prometheus_query_language[0].query)) >= 1
    ])
    error_message = "A query must name a metric, as the assertion above reads it."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      !strcontains(alert.conditions[0].condition_prometheus_query_language[0].query, "_bucket{") || can(regex("histogram_quantile\\(0.95, sum by \\(le\\) ", alert.conditions[0].condition_prometheus_query_language[0].query))
    ])
    error_message = "The buckets of a distribution must be reduced to a percentile."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for label in flatten(regexall("[{,]([a-z_]+)=", alert.conditions[0].condition_prometheus_query_language[0].query)) :
      contains(concat(keys(local.log_counters.runs.labels), keys(local.log_counters.incidents.labels), ["monitored_resource", "database_id", "subscription_id"]), label)
    ]]))
    error_message = "An alert uses a label that its metric does not have."
  }

  # Every counter has an alert.
  assert {
    condition = alltrue([for key in keys(local.log_counters) : anytrue([
      for alert in google_monitoring_alert_policy.alert : strcontains(alert.conditions[0].condition_prometheus_query_language[0].query, "${local.log_series[key]}{")
    ])])
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
      strcontains(google_monitoring_alert_policy.alert[key].conditions[0].condition_prometheus_query_language[0].query, "database_id=\"orders-project:${google_sql_database_instance.main[0].name}\"")
    ])
    error_message = "database_id must be project:instance."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["pushes-are-given-up"].conditions[0].condition_prometheus_query_language[0].query, "subscription_id=\"${google_pubsub_subscription.dead_letter[0].name}\"")
    error_message = "The alert must watch the dead-letter subscription."
  }

  # Other subscriptions keep messages for longer: dead letters, and the stored emails of a slow worker.
  assert {
    condition = toset(flatten(regexall("subscription_id=([^ ]+) ", jsonencode(jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles[*].widget)))) == toset([
      "\\\"${google_pubsub_subscription.gmail_push[0].name}\\\""
    ])
    error_message = "The chart of unacknowledged pushes must show the subscription of Gmail's pushes only."
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

run "a_plan_warns_about_alerts_without_recipients" {
  command = plan
  variables {
    alert_emails = null
    operators    = ["serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
  }
  expect_failures = [check.alerts_have_recipients]
}
