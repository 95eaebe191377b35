# The alerts. Each is one entry of `local.alerts`, with a runbook in runbooks/KEY.md.tftpl and a section in the README
# under the same title. Tests compare the three.
#
# Invariant: every condition reduces its time series to one. The revision is a label, so each deployment starts new series
# and ends old ones, which must not trigger an alert.

locals {
  # Log-based metrics can arrive ten minutes late. A shorter window would mistake this delay for missing data.
  log_delay_seconds = 600
  # Every run logs the current state, so a window of at least two runs keeps an alert from flapping.
  # Cloud Monitoring looks back at most 25 hours, including the duration of the condition.
  state_window_seconds = min(86400, max(local.log_delay_seconds, 2 * var.poll_interval_seconds))
  # Three missed intervals, or the longest time that Cloud Monitoring looks back.
  silence_seconds = min(88200, max(local.log_delay_seconds, 3 * var.poll_interval_seconds))
  # An absence condition lasts at most 23.5 hours. For longer times the alert has only its threshold condition, which
  # also fires on missing data.
  absence_seconds = [for seconds in [local.silence_seconds] : seconds if seconds <= 84600]

  logged   = "resource.type=\"cloud_run_revision\" AND metric.type="
  database = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${local.instance_project}:${local.instance_name}\" AND metric.type="

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

  # A share of the maximum size of the disk, not of its current size. Empty when the disk has no limit.
  disk_alert_bytes = [for gb in [local.database_disk_limit_gb] : floor(gb * pow(1024, 3) * var.alert_disk_percent / 100) if gb > 0]
  # A disk below 1 TB that can grow has grown before it is this full.
  # https://cloud.google.com/sql/docs/postgres/instance-settings
  disk_stuck_percent = 98

  # The series that match `filter` are aligned over `window_seconds` and reduced to one. The condition is met when that
  # series is above (GT) or below (LT) `value` for `duration_seconds`. Missing data counts as `missing_data`: ACTIVE
  # (met) or INACTIVE (not met).
  alerts = {
    no-successful-cycle = {
      title    = "No successful cycle"
      severity = "CRITICAL"
      # The maximum: an incident must not close automatically while no run takes place.
      auto_close_seconds = 604800
      absences = [for seconds in local.absence_seconds : {
        display_name     = "No run of any kind for ${seconds / 60} minutes"
        filter           = "${local.logged}\"${local.log_metric_types["runs"]}\""
        duration_seconds = seconds
      }]
      thresholds = [{
        display_name     = "No scheduled run has succeeded for ${local.silence_seconds / 60} minutes"
        filter           = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.trigger=\"schedule\" AND metric.labels.outcome=one_of(\"completed\",\"out_of_time\")"
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.silence_seconds
        comparison       = "LT"
        value            = 1
        duration_seconds = 60
        missing_data     = "ACTIVE"
      }]
    }

    # The alert above needs data from a first successful run. This alert does not, and it needs no log line: it also
    # detects instances that fail to start.
    cycles-keep-failing = {
      title              = "Cycles keep failing"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "poll has returned errors for 30 minutes"
        filter           = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.name}-poll\" AND metric.type=\"run.googleapis.com/request_count\" AND metric.labels.response_code_class!=\"2xx\""
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.state_window_seconds
        comparison       = "GT"
        value            = 0
        duration_seconds = 1800
        missing_data     = "INACTIVE"
      }]
    }

    gmail-needs-a-person = {
      title              = "Gmail needs a person"
      severity           = "CRITICAL"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "Google rejects the refresh token, the OAuth client or access to the mailbox"
        filter           = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.error_code=one_of(${join(",", [for code in local.person_codes : "\"${code}\""])})"
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.state_window_seconds
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    mail-was-missing = {
      title              = "Mail was missing"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "The last reconciliation found messages that Gmail's history never reported"
        filter           = "${local.logged}\"${local.log_metric_types["runs-with-missing"]}\""
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.state_window_seconds
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    messages-are-dead = {
      title              = "Messages are dead"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "Messages are dead after eight failed attempts"
        filter           = "${local.logged}\"${local.log_metric_types["runs-with-dead"]}\""
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.state_window_seconds
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    messages-keep-failing = {
      title              = "Messages keep failing"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name   = "For an hour, failed messages have been waiting for a retry"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-failing"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        # A message that fails once and is stored within minutes needs no operator.
        duration_seconds = 3600
        missing_data     = "INACTIVE"
      }]
    }

    live-mail-waits = {
      title              = "Live mail waits"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "A new email has waited for more than ${var.alert_live_waiting_seconds} s"
        filter           = "${local.logged}\"${local.log_metric_types["runs-with-live-waiting"]}\""
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = local.state_window_seconds
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    mail-is-stored-late = {
      title              = "Mail is stored late"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "95th percentile of the time from arrival to stored is above ${var.alert_stored_within_seconds} s"
        filter           = "${local.logged}\"${local.log_metric_types["arrival-to-stored-ms"]}\""
        aligner          = "ALIGN_DELTA"
        reducer          = "REDUCE_PERCENTILE_95"
        window_seconds   = max(900, local.state_window_seconds)
        comparison       = "GT"
        value            = var.alert_stored_within_seconds * 1000
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    watch-is-ending = {
      title              = "The watch is ending"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name   = "Gmail's watch expires in less than ${var.alert_watch_remaining_seconds} s"
        filter         = "${local.logged}\"${local.log_metric_types["runs-with-watch-ending"]}\""
        aligner        = "ALIGN_SUM"
        reducer        = "REDUCE_SUM"
        window_seconds = local.state_window_seconds
        comparison     = "GT"
        value          = 0
        # poll retries a rejected watch after ten minutes. A single failed attempt must not trigger the alert.
        duration_seconds = 900
        missing_data     = "INACTIVE"
      }]
    }

    history-has-expired = {
      title              = "The history has expired"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "The cursor was older than the history that Gmail keeps"
        filter           = "${local.logged}\"${local.log_metric_types["incidents"]}\" AND metric.labels.incident_kind=\"history_expired\""
        aligner          = "ALIGN_SUM"
        reducer          = "REDUCE_SUM"
        window_seconds   = 3600
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    pushes-are-given-up = {
      title              = "Pushes are given up"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name     = "There are messages in the dead-letter subscription"
        filter           = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${google_pubsub_subscription.dead_letter.name}\" AND metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\""
        aligner          = "ALIGN_MAX"
        reducer          = "REDUCE_SUM"
        window_seconds   = 300
        comparison       = "GT"
        value            = 0
        duration_seconds = 60
        missing_data     = "INACTIVE"
      }]
    }

    connections-run-short = {
      title              = "Database connections run short"
      severity           = "WARNING"
      auto_close_seconds = 86400
      absences           = []
      thresholds = [{
        display_name = "More than ${var.alert_connections_percent} % of ${local.database_max_connections} connections are in use"
        # There is one series per database.
        filter           = "${local.database}\"cloudsql.googleapis.com/database/postgresql/num_backends\""
        aligner          = "ALIGN_MAX"
        reducer          = "REDUCE_SUM"
        window_seconds   = 300
        comparison       = "GT"
        value            = floor(local.database_max_connections * var.alert_connections_percent / 100)
        duration_seconds = 300
        missing_data     = "INACTIVE"
      }]
    }

    database-disk-fills-up = {
      title              = "The database disk fills up"
      severity           = "ERROR"
      auto_close_seconds = 86400
      absences           = []
      thresholds = concat(
        [for bytes in local.disk_alert_bytes : {
          display_name     = "More than ${var.alert_disk_percent} % of the disk's maximum size of ${local.database_disk_limit_gb} GB is in use"
          filter           = "${local.database}\"cloudsql.googleapis.com/database/disk/bytes_used\""
          aligner          = "ALIGN_MEAN"
          reducer          = "REDUCE_MAX"
          window_seconds   = 300
          comparison       = "GT"
          value            = bytes
          duration_seconds = 900
          missing_data     = "INACTIVE"
        }],
        # Just before each growth a disk is normally 91 to 95 % full, so this threshold must be higher.
        [{
          display_name     = "The disk is more than ${local.disk_stuck_percent} % full and has not grown"
          filter           = "${local.database}\"cloudsql.googleapis.com/database/disk/utilization\""
          aligner          = "ALIGN_MEAN"
          reducer          = "REDUCE_MAX"
          window_seconds   = 300
          comparison       = "GT"
          value            = local.disk_stuck_percent / 100
          duration_seconds = 900
          missing_data     = "INACTIVE"
        }],
      )
    }
  }
}
