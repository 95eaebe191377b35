# What the log is counted for. Each run of a cycle writes one `run_finished` line (shared/ingest/record-run-end.ts), and
# nearly every metric hangs on a field of it; a test holds the two together.
#
# What must stay true: no metric refers to a service, so that all of them exist in the first minute of an apply.
# Monitoring learns of a new metric only after up to ten minutes, and refuses an alert on one that it does not know.
# The alerts are made after the services and the database, which take longer than that: no idle wait is needed.

locals {
  # Who runs cycles, and so writes the line: the console serves poll-now too.
  run_services = ["poll", "gmail-push", "poll-now", "console"]

  from_run_services = [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=(${join(" OR ", [for key in local.run_services : "\"${var.name}-${key}\""])})",
  ]

  # Counted lines. The ones that say how things stand compare in the log's filter, where numbers are exact: the
  # percentile of a distribution is only estimated, and of nothing but zeros it is above zero. A field that is null or
  # absent matches no comparison.
  log_counters = {
    runs = {
      description = "Runs that ended, by what began them, how they ended, and why they failed."
      event       = "run_finished"
      where       = []
      labels = {
        error_code = "The error of a failed run, else empty."
        outcome    = "completed, out_of_time (the next run continues) or failed."
        trigger    = "schedule, push or manual."
      }
    }
    runs-with-dead = {
      description = "Runs that left dead messages behind."
      event       = "run_finished"
      where       = ["jsonPayload.dead_total>0"]
      labels      = {}
    }
    runs-with-failing = {
      description = "Runs that left messages behind which failed and are tried again."
      event       = "run_finished"
      where       = ["jsonPayload.failing_total>0"]
      labels      = {}
    }
    runs-with-live-waiting = {
      description = "Runs that left live mail behind which waits for longer than ${var.alert_live_waiting_seconds} s."
      event       = "run_finished"
      where       = ["jsonPayload.live_waiting_s>${var.alert_live_waiting_seconds}"]
      labels      = {}
    }
    runs-with-missing = {
      description = "Runs whose mailbox was missing messages at its last reconciliation."
      event       = "run_finished"
      where       = ["jsonPayload.missing_total>0"]
      labels      = {}
    }
    runs-with-watch-ending = {
      description = "Scheduled runs that found no watch, or one that ends within ${var.alert_watch_remaining_seconds} s."
      event       = "run_finished"
      where       = ["jsonPayload.watch_remaining_s<${var.alert_watch_remaining_seconds}"]
      labels      = {}
    }
    incidents = {
      description = "Incidents that were opened, by kind."
      event       = "incident_opened"
      # The same gap that is still open is written again as DEBUG.
      where  = ["severity>=WARNING"]
      labels = { incident_kind = "history_expired: the cursor was older than the history that Gmail keeps." }
    }
  }

  # Values of the line, for the dashboard and for the one alert on a percentile.
  log_values = {
    arrival-to-stored-ms = { field = "arrival_to_stored_max_ms", unit = "ms", description = "The longest way of a live mail in a run, from Gmail's acceptance to the commit." }
    dead-total           = { field = "dead_total", unit = "1", description = "Dead messages that no operator has given up, counted up to 1,000." }
    duration-ms          = { field = "duration_ms", unit = "ms", description = "How long a run took." }
    failing-total        = { field = "failing_total", unit = "1", description = "Messages that failed and are tried again, counted up to 1,000." }
    live-waiting-s       = { field = "live_waiting_s", unit = "s", description = "How long the oldest waiting live mail has been known." }
    missing-total        = { field = "missing_total", unit = "1", description = "Messages that the last reconciliation missed." }
    pending-total        = { field = "pending_total", unit = "1", description = "Messages that wait to be fetched, counted up to 1,000." }
    quota-units          = { field = "quota_units", unit = "1", description = "Units of Gmail's quota that a run spent." }
    rate-limited-count   = { field = "rate_limited_count", unit = "1", description = "Calls of a run that Gmail rejected with a rate limit." }
    stored-count         = { field = "stored_count", unit = "1", description = "Emails that a run stored." }
    watch-remaining-s    = { field = "watch_remaining_s", unit = "s", description = "How long Gmail goes on publishing to the topic." }
  }

  # Buckets grow by 1.3 around the threshold of the alert, which is a bound itself: whether the 95th percentile lies
  # above it is then counted, not interpolated. 24 steps each way reach from 0.1 s to 9 hours for 60 s.
  latency_bounds_ms = [for step in range(-24, 25) : floor(var.alert_stored_within_seconds * 1000 * pow(1.3, step))]

  # As filters of Monitoring name them.
  log_metric_types = {
    for key, metric in merge(google_logging_metric.counter, google_logging_metric.value) :
    key => "logging.googleapis.com/user/${metric.name}"
  }
}

resource "google_logging_metric" "counter" {
  for_each = local.log_counters

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

  depends_on = [google_project_service.required]
}

resource "google_logging_metric" "value" {
  for_each = local.log_values

  project     = var.project_id
  name        = "${var.name}-${each.key}"
  description = each.value.description
  # A line without the value (null, or a run that knew no mailbox) is left out here: an extraction that fails would
  # be counted as an error of the metric.
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
    # The others are read as means and sums, which are exact whatever the buckets are. 1 to 16 million.
    dynamic "exponential_buckets" {
      for_each = each.key == "arrival-to-stored-ms" ? [] : [1]
      content {
        num_finite_buckets = 24
        growth_factor      = 2
        scale              = 1
      }
    }
  }

  depends_on = [google_project_service.required]
}
