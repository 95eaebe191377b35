# What wakes somebody. Each alert is one entry of `local.alerts`, with its runbook beside it in runbooks/KEY.md.tftpl
# and its section in the README, under the same title; tests hold the three together.
#
# What must stay true: every series is reduced to one. A deployment begins new series (a revision is a label) and ends
# old ones, which is no reason to wake anybody.

locals {
  # Metrics that are made from the log can be ten minutes late; a shorter window would take lateness for silence.
  log_delay_seconds = 600
  # A state stands in the line of every run: the window holds two runs at least, so that it does not flicker.
  # Monitoring looks back 25 hours at most, the duration of the condition included.
  state_window_seconds = min(86400, max(local.log_delay_seconds, 2 * var.poll_interval_seconds))
  # Three missed intervals; of the longest ones, as much as Monitoring looks back.
  silence_seconds = min(88200, max(local.log_delay_seconds, 3 * var.poll_interval_seconds))
  # An absence is 23.5 hours at most. Beyond, the threshold stands alone: it takes missing data for none as well.
  absence_seconds = [for seconds in [local.silence_seconds] : seconds if seconds <= 84600]

  logged   = "resource.type=\"cloud_run_revision\" AND metric.type="
  database = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${var.project_id}:${google_sql_database_instance.main.name}\" AND metric.type="

  # The codes of `requiresOperator` in shared/errors.ts.
  person_codes = [
    "account_unconfirmed",
    "admin_policy_enforced",
    "bad_client",
    "deleted_client",
    "disabled_client",
    "gmail_denied",
    "label_missing",
    "mail_service_disabled",
    "org_internal",
    "policy_enforced",
    "reauth_required",
    "workspace_session_expired",
  ]

  # Of the size that the disk may grow to, not of the size that it has today. None where it grows without limit.
  disk_alert_bytes = [for gb in [var.database_disk_limit_gb] : floor(gb * pow(1024, 3) * var.alert_disk_percent / 100) if gb > 0]
  # By then a disk below a terabyte has grown, if it can. https://cloud.google.com/sql/docs/postgres/instance-settings
  disk_stuck_percent = 98

  # Of every condition: `says` is its name; the series that `filter` finds are aligned over `window_seconds` and reduced
  # to one, which must be above (GT) or below (LT) `value` for `lasts_seconds`; without data it counts as `silent`.
  alerts = {
    no-successful-cycle = {
      title    = "No successful cycle"
      severity = "CRITICAL"
      # An incident that closed itself while nothing runs would be a lie.
      auto_close_seconds = 604800
      absences = [for seconds in local.absence_seconds : {
        says             = "No run of any kind for ${seconds / 60} minutes"
        filter           = "${local.logged}\"${local.log_metric_types["runs"]}\""
        duration_seconds = seconds
      }]
      thresholds = [{
        says           = "No scheduled run has got on for ${local.silence_seconds / 60} minutes"
        filter         = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.trigger=\"schedule\" AND metric.labels.outcome=one_of(\"completed\",\"out_of_time\")"
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.silence_seconds
        comparison     = "LT"
        value          = 1
        lasts_seconds  = 60
        silent         = "ACTIVE"
      }]
    }

    # The alert above needs a first success to miss a second one. This one does not, and it needs no log line either:
    # it sees an instance that cannot even start.
    cycles-keep-failing = {
      title              = "Cycles keep failing"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "poll has answered with faults, again and again, for half an hour"
        filter         = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}-poll\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class!=\"2xx\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 1800
        silent         = "INACTIVE"
      }]
    }

    gmail-needs-a-person = {
      title              = "Gmail needs a person"
      severity           = "CRITICAL"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Google refuses the token, the client or the mailbox"
        filter         = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.error_code=one_of(${join(",", [for code in local.person_codes : "\"${code}\""])})"
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    mail-was-missing = {
      title              = "Mail was missing"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "The last reconciliation found messages that the history never showed"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-missing"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    messages-are-dead = {
      title              = "Messages are dead"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Messages failed eight times and are dead"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-dead"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    messages-keep-failing = {
      title              = "Messages keep failing"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Messages have failed and waited for their next attempt for an hour"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-failing"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        # One that fails and is stored within minutes needs no operator.
        lasts_seconds = 3600
        silent        = "INACTIVE"
      }]
    }

    live-mail-waits = {
      title              = "Live mail waits"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Live mail waits for longer than ${var.alert_live_waiting_seconds} s"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-live-waiting"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    mail-is-stored-late = {
      title              = "Mail is stored late"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "95 % of the runs with live mail take longer than ${var.alert_stored_within_seconds} s for it"
        filter         = "${local.logged}\"${local.log_metric_types["arrival-to-stored-ms"]}\""
        aligner        = "ALIGN_DELTA"
        reducer        = "REDUCE_PERCENTILE_95"
        window_seconds = max(900, local.state_window_seconds)
        comparison     = "GT"
        value          = var.alert_stored_within_seconds * 1000
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    watch-is-ending = {
      title              = "The watch is ending"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Gmail publishes for less than ${var.alert_watch_remaining_seconds} s more"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-watch-ending"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        # Poll tries a refused watch again after ten minutes: one try that fails wakes nobody.
        lasts_seconds = 900
        silent        = "INACTIVE"
      }]
    }

    history-has-expired = {
      title              = "The history has expired"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "The cursor was older than the history that Gmail keeps"
        filter         = "${local.logged}\"${local.log_metric_types["incidents"]}\" AND metric.labels.incident_kind=\"history_expired\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = 3600
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    pushes-are-given-up = {
      title              = "Pushes are given up"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says           = "Messages lie in the dead-letter subscription"
        filter         = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letter.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
        aligner        = "ALIGN_MAX"
        reducer        = "REDUCE_SUM"
        window_seconds = 300
        comparison     = "GT"
        value          = 0
        lasts_seconds  = 60
        silent         = "INACTIVE"
      }]
    }

    connections-run-short = {
      title              = "Database connections run short"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        says = "More than ${var.alert_connections_percent} % of ${local.database_max_connections} connections are in use"
        # One series a database.
        filter         = "${local.database}\"cloudsql.googleapis.com/database/postgresql/num_backends\""
        aligner        = "ALIGN_MAX"
        reducer        = "REDUCE_SUM"
        window_seconds = 300
        comparison     = "GT"
        value          = floor(local.database_max_connections * var.alert_connections_percent / 100)
        lasts_seconds  = 300
        silent         = "INACTIVE"
      }]
    }

    database-disk-fills-up = {
      title              = "The database disk fills up"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = concat(
        [for bytes in local.disk_alert_bytes : {
          says           = "More than ${var.alert_disk_percent} % of ${var.database_disk_limit_gb} GB, up to which the disk grows, are in use"
          filter         = "${local.database}\"cloudsql.googleapis.com/database/disk/bytes_used\""
          aligner        = "ALIGN_MEAN"
          reducer        = "REDUCE_MAX"
          window_seconds = 300
          comparison     = "GT"
          value          = bytes
          lasts_seconds  = 900
          silent         = "INACTIVE"
        }],
        # A disk that grows is fuller than that each time before it does: 91 to 95 % are normal.
        [{
          says           = "The disk is full up to ${local.disk_stuck_percent} %, and does not grow"
          filter         = "${local.database}\"cloudsql.googleapis.com/database/disk/utilization\""
          aligner        = "ALIGN_MEAN"
          reducer        = "REDUCE_MAX"
          window_seconds = 300
          comparison     = "GT"
          value          = local.disk_stuck_percent / 100
          lasts_seconds  = 900
          silent         = "INACTIVE"
        }],
      )
    }
  }
}
