# Metrics, alerts and the dashboard. Nothing is asked of a cloud: the provider is a mock.

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

run "every_alert_says_what_to_do_and_reaches_somebody" {
  assert {
    condition     = length(google_monitoring_alert_policy.alert) >= 12
    error_message = "An alert is gone."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert : alltrue([
      for part in ["### What it means\n", "### Look first\n", "### The usual remediation\n"] : strcontains(alert.documentation[0].content, part)
    ])])
    error_message = "Each runbook says what it means, where to look first and what the usual remediation is."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : length(alert.documentation[0].content) <= 8192 && alert.documentation[0].mime_type == "text/markdown"])
    error_message = "Monitoring takes 8,192 characters of markdown."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.notification_channels == tolist(["projects/orders-project/notificationChannels/1"])])
    error_message = "Each alert has the channels of the deployment."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : contains(["CRITICAL", "ERROR", "WARNING"], alert.severity)])
    error_message = "Each alert has a severity."
  }
  assert {
    condition     = alltrue([for key, alert in google_monitoring_alert_policy.alert : tomap(alert.user_labels) == tomap(merge(local.labels, { alert = key }))])
    error_message = "Each alert carries the labels of the deployment, and its own name."
  }
  assert {
    condition     = length(distinct([for alert in google_monitoring_alert_policy.alert : alert.display_name])) == length(google_monitoring_alert_policy.alert)
    error_message = "No two alerts have the same title."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : alert.documentation[0].subject == "email-monitor: ${alert.display_name}"])
    error_message = "The subject of a notification says which deployment it is about."
  }
}

run "the_runbooks_name_this_deployment_and_link_to_nothing_outside" {
  variables {
    name   = "orders-monitor"
    region = "europe-west4"
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : !strcontains(alert.documentation[0].content, "email-monitor")])
    error_message = "A runbook names another deployment."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for url in regexall("https?://[^ )\"]+", alert.documentation[0].content) : startswith(url, "https://service.example.com")
    ]]))
    error_message = "A runbook links to something outside of the deployment."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for line in split("\n", alert.documentation[0].content) : strcontains(line, "--project=orders-project")
      if can(regex("^ +gcloud ", line))
    ]]))
    error_message = "A command of a runbook leaves the project to chance."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].documentation[0].content, "describe orders-monitor-poll --location=europe-west4")
    error_message = "The runbook asks for another job."
  }
}

run "no_successful_cycle_means_three_intervals_but_never_less_than_the_log_may_be_late" {
  command = plan
  variables {
    poll_interval_seconds = 60
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "600s"
    error_message = "Three minutes are less than the ten that a metric of the log may be late."
  }
}

run "no_successful_cycle_means_three_intervals_of_five_minutes" {
  command = plan
  variables {
    poll_interval_seconds = 300
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "900s"
    error_message = "The absence lasts three intervals."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].aggregations[0].alignment_period == "900s"
    error_message = "The window holds three intervals."
  }
  assert {
    condition     = local.runbook.silence_minutes == 15
    error_message = "The runbook says for how long."
  }
}

run "no_successful_cycle_means_three_intervals_of_a_quarter_of_an_hour" {
  command = plan
  variables {
    poll_interval_seconds = 900
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_absent[0].duration == "2700s"
    error_message = "The absence lasts three intervals."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["messages-are-dead"].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "1800s"
    error_message = "The window of a state holds two runs at least."
  }
}

run "a_poll_once_a_day_is_not_missed_before_the_next" {
  command = plan
  variables {
    poll_interval_seconds = 86400
  }
  assert {
    condition     = length(flatten(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[*].condition_absent)) == 0
    error_message = "An absence of 23.5 hours would come every day."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[0].condition_threshold[0].aggregations[0].alignment_period == "88200s"
    error_message = "The window reaches beyond the interval."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) + tonumber(trimsuffix(threshold.duration, "s")) <= 90000
    ]]))
    error_message = "Monitoring looks back 25 hours at most."
  }
}

# All of what a plan without any wish shows, in one: each run costs the reading of the whole schema.
run "plans_what_is_meant_when_nothing_is_wished" {
  command = plan

  # No successful cycle counts scheduled runs that got on and takes silence for none.
  assert {
    condition = alltrue([for part in ["metric.labels.trigger=\"schedule\"", "metric.labels.outcome=one_of(\"completed\",\"out_of_time\")", "logging.googleapis.com/user/email-monitor-runs\""] :
      strcontains(google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].filter, part)
    ])
    error_message = "A scheduled run that completed, or ran out of time, has got on."
  }
  assert {
    condition = (
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].comparison == "COMPARISON_LT" &&
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].threshold_value == 1 &&
      google_monitoring_alert_policy.alert["no-successful-cycle"].conditions[1].condition_threshold[0].evaluation_missing_data == "EVALUATION_MISSING_DATA_ACTIVE"
    )
    error_message = "Less than one, and no data at all is less than one."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["no-successful-cycle"].alert_strategy[0].auto_close == "604800s"
    error_message = "It stays open while nothing runs."
  }

  # Every metric of an alert is ours or one of the looked up ones.
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
    error_message = "An alert looks at a metric that nobody writes: it would never wake anybody."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) : [
        for key, metric in google_logging_metric.value :
        condition.aggregations[0].per_series_aligner == "ALIGN_DELTA" && startswith(condition.aggregations[0].cross_series_reducer, "REDUCE_PERCENTILE_")
        if strcontains(condition.filter, "user/${metric.name}\"")
      ]
    ]]))
    error_message = "A distribution becomes a number only by its percentile."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for label in flatten([for condition in flatten(alert.conditions[*].condition_threshold) : regexall("metric.labels.([a-z_]+)", condition.filter)]) :
      contains(concat(keys(local.log_counters.runs.labels), keys(local.log_counters.incidents.labels), ["response_code_class"]), label)
    ]]))
    error_message = "An alert asks for a label that its metric does not have."
  }

  # Every counter that says how things stand has its alert.
  assert {
    condition = alltrue([for key in keys(local.log_counters) : anytrue(flatten([
      for alert in google_monitoring_alert_policy.alert : [
        for threshold in flatten(alert.conditions[*].condition_threshold) : strcontains(threshold.filter, "/email-monitor-${key}\"")
      ]
    ]))])
    error_message = "A counter wakes nobody."
  }

  # A value that is null is not extracted.
  assert {
    condition = alltrue([for key, metric in google_logging_metric.value :
      metric.value_extractor == "EXTRACT(jsonPayload.${local.log_values[key].field})" &&
      endswith(metric.filter, "jsonPayload.${local.log_values[key].field}>=0") &&
      metric.metric_descriptor[0].value_type == "DISTRIBUTION" && metric.metric_descriptor[0].metric_kind == "DELTA"
    ])
    error_message = "A value is taken only from a line that has it."
  }
  assert {
    condition = alltrue([for metric in google_logging_metric.counter :
      toset(keys(metric.label_extractors == null ? {} : metric.label_extractors)) == toset(metric.metric_descriptor[0].labels[*].key)
    ])
    error_message = "Each label has its extractor, and the other way round."
  }

  # The database is the one of this deployment.
  assert {
    condition = alltrue([for key in ["connections-run-short", "database-disk-fills-up"] :
      strcontains(google_monitoring_alert_policy.alert[key].conditions[0].condition_threshold[0].filter, "resource.labels.database_id=\"orders-project:${google_sql_database_instance.main.name}\"")
    ])
    error_message = "A database is named project:instance."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["pushes-are-given-up"].conditions[0].condition_threshold[0].filter, "subscription_id=\"${google_pubsub_subscription.dead_letter.name}\"")
    error_message = "The dead letters lie in the dead-letter subscription."
  }

  # The dashboard shows our metrics and only those that exist.
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
    error_message = "A chart looks at a metric that nobody writes."
  }
  assert {
    condition = length(setsubtract(
      flatten(regexall("googleapis_com:user_([a-z0-9_]+)_sum\\{", google_monitoring_dashboard.this.dashboard_json)),
      [for metric in google_logging_metric.value : replace(metric.name, "-", "_")],
    )) == 0
    error_message = "A sum is asked of a metric that nobody writes."
  }
  assert {
    condition = alltrue([for key, metric in google_logging_metric.value :
      strcontains(google_monitoring_dashboard.this.dashboard_json, "user/${metric.name}\\\"") ||
      strcontains(google_monitoring_dashboard.this.dashboard_json, "user_${replace(metric.name, "-", "_")}_sum")
    ])
    error_message = "A value is extracted and shown nowhere."
  }

  # The dashboard has no field that monitoring would drop.
  assert {
    condition     = alltrue([for default in ["Pos\":0", ":[]", ":null", ":\"\"", ":{}"] : !strcontains(google_monitoring_dashboard.this.dashboard_json, default)])
    error_message = "Monitoring does not give defaults back: each plan would set them again."
  }
  assert {
    condition = length(distinct([for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles :
      "${try(tile.xPos, 0)},${try(tile.yPos, 0)}"
    ])) == length(local.tiles)
    error_message = "Two tiles lie upon each other."
  }
  assert {
    condition = alltrue([for tile in jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.tiles :
      try(tile.xPos, 0) + tile.width <= jsondecode(google_monitoring_dashboard.this.dashboard_json).mosaicLayout.columns
    ])
    error_message = "A tile hangs over the edge."
  }
  assert {
    condition = alltrue(flatten([for tile in local.tiles : [
      for line in tile.lines : (line.aligner == "ALIGN_DELTA") == anytrue([
        for part in concat([for metric in google_logging_metric.value : "user/${metric.name}\""], ["run.googleapis.com/request_latencies\""]) : strcontains(line.filter, part)
      ]) if !can(line.query)
    ]]))
    error_message = "A distribution is aligned as a difference, a number is not."
  }
}

run "every_condition_keeps_to_the_rules_of_monitoring" {
  command = plan
  variables {
    poll_interval_seconds = 3600
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.duration, "s")) >= 60 && tonumber(trimsuffix(threshold.duration, "s")) % 60 == 0
    ]]))
    error_message = "A condition that decides about missing data lasts whole minutes, one at least."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for threshold in flatten(alert.conditions[*].condition_threshold) :
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) % 60 == 0 &&
      tonumber(trimsuffix(threshold.aggregations[0].alignment_period, "s")) + tonumber(trimsuffix(threshold.duration, "s")) <= 90000
    ]]))
    error_message = "Windows are whole minutes, and with the duration 25 hours at most."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for absence in flatten(alert.conditions[*].condition_absent) :
      tonumber(trimsuffix(absence.duration, "s")) >= 120 && tonumber(trimsuffix(absence.duration, "s")) <= 84600
    ]]))
    error_message = "An absence lasts from two minutes to 23.5 hours."
  }
  assert {
    condition = alltrue([for alert in google_monitoring_alert_policy.alert :
      tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) >= 1800 && tonumber(trimsuffix(alert.alert_strategy[0].auto_close, "s")) <= 604800
    ])
    error_message = "An incident closes itself after half an hour at the earliest and seven days at the latest."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) :
      condition.aggregations[0].cross_series_reducer != "REDUCE_NONE" && condition.aggregations[0].group_by_fields == null
    ]]))
    error_message = "All series are reduced to one: the end of an old revision's series wakes nobody."
  }
  assert {
    condition = alltrue(flatten([for alert in google_monitoring_alert_policy.alert : [
      for condition in concat(flatten(alert.conditions[*].condition_threshold), flatten(alert.conditions[*].condition_absent)) :
      length(regexall("resource.type=\"[a-z_]+\"", condition.filter)) == 1 && length(regexall("metric.type=\"", condition.filter)) == 1
    ]]))
    error_message = "A filter names one type of resource and one metric."
  }
}

run "metrics_take_lines_of_this_deployment_only" {
  command = plan
  variables {
    name = "orders-monitor"
  }
  assert {
    condition = alltrue([for metric in merge(google_logging_metric.counter, google_logging_metric.value) :
      strcontains(metric.filter, "resource.labels.service_name=(\"orders-monitor-poll\" OR \"orders-monitor-gmail-push\" OR \"orders-monitor-poll-now\" OR \"orders-monitor-console\")")
    ])
    error_message = "A metric counts the lines of others."
  }
  assert {
    condition     = alltrue([for key, metric in merge(google_logging_metric.counter, google_logging_metric.value) : metric.name == "orders-monitor-${key}"])
    error_message = "Two deployments in a project would share a metric."
  }
}

run "thresholds_are_those_of_the_variables" {
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
    error_message = "60 % of the connections that the database takes."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_threshold[0].threshold_value == 140 * 1073741824
    error_message = "70 % of what the disk may grow to; of what it has today it would come before each growth."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[1].condition_threshold[0].threshold_value == 0.98
    error_message = "A disk that does not grow is full before it reaches its limit."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-live-waiting"].filter, "jsonPayload.live_waiting_s>1200")
    error_message = "Live mail may wait for 1200 s."
  }
  assert {
    condition     = google_monitoring_alert_policy.alert["mail-is-stored-late"].conditions[0].condition_threshold[0].threshold_value == 30000
    error_message = "The latency is measured in milliseconds."
  }
  assert {
    condition     = contains(google_logging_metric.value["arrival-to-stored-ms"].bucket_options[0].explicit_buckets[0].bounds, 30000)
    error_message = "The threshold is a bound of a bucket: whether the percentile lies above it is counted, not guessed."
  }
  assert {
    condition     = endswith(google_logging_metric.counter["runs-with-watch-ending"].filter, "jsonPayload.watch_remaining_s<43200")
    error_message = "Half a day before the end of the watch."
  }
}

run "a_disk_without_limit_is_watched_for_its_growth_alone" {
  command = plan
  variables {
    database_disk_limit_gb = 0
  }
  assert {
    condition     = length(google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions) == 1 && google_monitoring_alert_policy.alert["database-disk-fills-up"].conditions[0].condition_threshold[0].threshold_value == 0.98
    error_message = "There is no limit to take a share of."
  }
  assert {
    condition     = strcontains(local.alerts["database-disk-fills-up"].thresholds[0].filter, "disk/utilization\"") && !strcontains(google_monitoring_dashboard.this.dashboard_json, ":null")
    error_message = "Nor a line to draw."
  }
}

run "the_smallest_latency_still_has_growing_buckets" {
  command = plan
  variables {
    alert_stored_within_seconds = 1
    poll_interval_seconds       = 60
  }
  assert {
    condition     = alltrue([for step in range(1, 49) : local.latency_bounds_ms[step] > local.latency_bounds_ms[step - 1]])
    error_message = "Bounds grow."
  }
}

run "without_addresses_the_operators_are_woken" {
  command = plan
  variables {
    alert_emails = null
    operators    = ["user:anna@example.com", "group:ops@example.com", "serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
  }
  assert {
    condition     = toset(keys(google_monitoring_notification_channel.email)) == toset(["anna@example.com", "ops@example.com"])
    error_message = "People and groups have a mailbox, a service account has none."
  }
}

run "addresses_stand_before_operators_and_channels_beside_them" {
  variables {
    alert_emails          = ["night@example.com"]
    operators             = ["user:anna@example.com"]
    notification_channels = ["projects/orders-project/notificationChannels/77"]
  }
  assert {
    condition     = keys(google_monitoring_notification_channel.email) == ["night@example.com"]
    error_message = "Only who is named is woken."
  }
  assert {
    condition     = alltrue([for alert in google_monitoring_alert_policy.alert : contains(alert.notification_channels, "projects/orders-project/notificationChannels/77") && length(alert.notification_channels) == 2])
    error_message = "Channels that exist already are used too."
  }
  assert {
    condition     = output.alerts_reach == "night@example.com, projects/orders-project/notificationChannels/77"
    error_message = "The deployment says who is woken."
  }
}

run "a_deployment_whose_alerts_reach_nobody_says_so" {
  command = plan
  variables {
    alert_emails = null
    operators    = ["serviceAccount:robot@orders-project.iam.gserviceaccount.com"]
  }
  assert {
    condition     = startswith(output.alerts_reach, "nobody")
    error_message = "An alert that reaches nobody is none."
  }
}

run "refuses_each_of_these" {
  command = plan
  variables {
    # An address with a member prefix is refused.
    alert_emails = ["user:ops@example.com"]
    # A share that is not in percent is refused.
    alert_disk_percent        = 0
    alert_connections_percent = 100
    # A watch alert before the renewal is refused.
    alert_watch_remaining_seconds = 518400
    # A channel without its project is refused.
    notification_channels = ["77"]
  }

  expect_failures = [var.alert_emails, var.alert_disk_percent, var.alert_connections_percent, var.alert_watch_remaining_seconds, var.notification_channels]
}
