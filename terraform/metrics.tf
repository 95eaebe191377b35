# Log-based metrics: what the alerts need, and the backlog. Each run writes one `run_finished` line
# (shared/ingest/record-run-end.ts), and nearly every metric reads a field of that line. A test compares the two. Quota,
# durations and all other fields are in the log, in `ingest_runs` and in the console.

locals {
  # The functions that write `run_finished`. The console is one of them because it serves poll-now too.
  run_services = concat(["poll", "gmail-push", "poll-now", "console"], local.fan_out ? ["ingest-mailbox"] : [])

  from_run_services = [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=(${join(" OR ", [for key in local.run_services : "\"${var.name}-${key}\""])})",
  ]

  # Counters of log lines. Conditions are evaluated in the log filter, where numbers are exact; the mean of a distribution
  # over several runs would hide a threshold that one run exceeds. A field that is null or absent matches no comparison.
  log_counters = {
    runs = {
      description = "Finished runs by trigger, outcome and error code."
      event       = "run_finished"
      where       = []
      labels = {
        error_code = "The error code of a failed run, otherwise empty."
        outcome    = "completed, out_of_time (the next run continues) or failed."
        trigger    = "schedule, push or manual."
      }
    }
    runs-of-failing-mailbox = {
      description = "Runs that failed, as the nine runs of the same mailbox before them."
      event       = "run_finished"
      where       = ["jsonPayload.failure_count>9"]
      labels      = {}
    }
    runs-with-live-waiting = {
      description = "Runs after which a live email has been waiting for more than ${var.alert_live_waiting_seconds} s."
      event       = "run_finished"
      where       = ["jsonPayload.live_waiting_s>${var.alert_live_waiting_seconds}"]
      labels      = {}
    }
    runs-with-watch-ending = {
      description = "Scheduled runs without a watch, or with one that expires within ${var.alert_watch_remaining_seconds} s."
      event       = "run_finished"
      where       = ["jsonPayload.watch_remaining_s<${var.alert_watch_remaining_seconds}"]
      labels      = {}
    }
    runs-with-queue-waiting = {
      description = "Runs after which an email has been waiting for a consumer for more than ${var.consumer_max_wait_seconds} s."
      event       = "run_finished"
      where       = ["jsonPayload.queue_oldest_s>${var.consumer_max_wait_seconds}"]
      labels      = {}
    }
    runs-with-full-notifications = {
      description = "Runs after which more than 10 % of PostgreSQL's queue of notifications was in use."
      event       = "run_finished"
      where       = ["jsonPayload.notification_queue_usage>0.1"]
      labels      = {}
    }
    retention-failed = {
      description = "Runs in which expired emails could not be erased."
      event       = "retention_failed"
      where       = []
      labels      = {}
    }
    collection-failed = {
      description = "Runs in which an object of the bucket could not be deleted."
      event       = "collection_failed"
      where       = []
      labels      = {}
    }
    incidents = {
      description = "Opened incidents by kind."
      event       = "incident_opened"
      # While a gap is open, the line is repeated with severity DEBUG.
      where  = ["severity>=WARNING"]
      labels = { incident_kind = "history_expired: the cursor was older than the history that Gmail keeps." }
    }
  }

  # Distributions of fields of `run_finished`. Their sums are exact: an alert on a count is met when its sum is above zero.
  log_values = {
    arrival-to-stored-ms = { field = "arrival_to_stored_max_ms", unit = "ms", description = "Longest time of a live email in a run, from Gmail's acceptance to the commit." }
    dead-total           = { field = "dead_total", unit = "1", description = "Dead messages that no operator has given up, capped at 1,000." }
    failing-total        = { field = "failing_total", unit = "1", description = "Failed messages that will be retried, capped at 1,000." }
    missing-total        = { field = "missing_total", unit = "1", description = "Messages that the last reconciliation found missing." }
    pending-total        = { field = "pending_total", unit = "1", description = "Messages waiting to be fetched, capped at 1,000." }
    queue-dead-total     = { field = "queue_dead_total", unit = "1", description = "Dead emails of all consumers, capped at 1,000 per consumer." }
    stored-count         = { field = "stored_count", unit = "1", description = "Emails that a run stored." }
  }

  # Bucket bounds grow by a factor of 1.3 in both directions from the alert's threshold. The threshold is a bound itself, so
  # whether the 95th percentile is above it is exact, not interpolated. For 60 s, 24 steps each way cover 0.1 s to 9 hours.
  latency_bounds_ms = [for step in range(-24, 25) : floor(local.stored_within_seconds * 1000 * pow(1.3, step))]

  # The metrics as Cloud Monitoring filters name them, and as PromQL does.
  log_metric_types = {
    for key, metric in merge(google_logging_metric.counter, google_logging_metric.value) :
    key => "logging.googleapis.com/user/${metric.name}"
  }
  # From the names, not from the resources: without push one counter does not exist.
  log_series = {
    for key in keys(merge(local.log_counters, local.log_values)) :
    key => "logging_googleapis_com:user_${replace("${var.name}-${key}", "-", "_")}"
  }
}

resource "google_logging_metric" "counter" {
  for_each = { for key, counter in local.log_counters : key => counter if var.push || key != "runs-with-watch-ending" }

  project     = var.project_id
  name        = "${var.name}-${each.key}"
  description = each.value.description
  filter = join(" AND ", concat(
    local.from_run_services,
    ["jsonPayload.event=\"${each.value.event}\""],
    each.value.where,
  ))
  label_extractors = { for label, description in each.value.labels : label => "EXTRACT(jsonPayload.${label})" }

  metric_descriptor {
    display_name = "${var.name}: ${replace(each.key, "-", " ")}"
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"

    dynamic "labels" {
      for_each = each.value.labels
      content {
        key         = labels.key
        value_type  = "STRING"
        description = labels.value
      }
    }
  }

  depends_on = [time_sleep.apis]
}

resource "google_logging_metric" "value" {
  for_each = local.log_values

  project     = var.project_id
  name        = "${var.name}-${each.key}"
  description = each.value.description
  # The filter excludes lines without the value (null, or a run without a mailbox), because a failed extraction would
  # count as an error of the metric.
  filter = join(" AND ", concat(
    local.from_run_services,
    ["jsonPayload.event=\"run_finished\"", "jsonPayload.${each.value.field}>=0"],
  ))
  value_extractor = "EXTRACT(jsonPayload.${each.value.field})"

  metric_descriptor {
    display_name = "${var.name}: ${replace(each.key, "-", " ")}"
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = each.value.unit
  }

  bucket_options {
    dynamic "explicit_buckets" {
      for_each = each.key == "arrival-to-stored-ms" ? [local.latency_bounds_ms] : []
      content {
        bounds = explicit_buckets.value
      }
    }
    # The others are only used as means and sums, which are exact with any buckets. These cover 1 to 16 million.
    dynamic "exponential_buckets" {
      for_each = each.key == "arrival-to-stored-ms" ? [] : [1]
      content {
        num_finite_buckets = 24
        growth_factor      = 2
        scale              = 1
      }
    }
  }

  depends_on = [time_sleep.apis]
}
