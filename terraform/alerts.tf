# The alerts. Each is one entry of `local.all_alerts`, with a runbook in runbooks/KEY.md.tftpl and a section in the README
# under the same title. Tests compare the three.
#
# The queries are PromQL, because only a PromQL condition can be created before Cloud Monitoring knows its metric. That
# takes up to ten minutes for a new log-based metric, and for a metric of Google until its first value.
# https://github.com/hashicorp/terraform-provider-google/issues/11102
#
# With many mailboxes an alert opens when any of them meets its condition: the metrics have no label for the mailbox, so that
# 10,000 mailboxes add no time series. Two are exceptions, because they look at the runs of all mailboxes together:
# no-successful-cycle opens when none succeeds (a-mailbox-keeps-failing looks at one), and mail-is-stored-late uses a percentile.
# status lists the worst mailboxes first.
#
# Invariant: every query returns one series, or none while there is nothing to report. The revision is a label, so each
# deployment starts new series and ends old ones, which must not trigger an alert.

locals {
  # Log-based metrics can arrive ten minutes late. A shorter window would mistake this delay for missing data.
  log_delay_seconds = 600
  # Every run logs the current state, so a window of at least two runs keeps an alert from flapping.
  # Cloud Monitoring looks back at most 25 hours, including the duration of the condition, without evaluating more rarely.
  state_window_seconds = min(86400, max(local.log_delay_seconds, 2 * var.poll_interval_seconds))
  # Three missed intervals, or the longest time that Cloud Monitoring looks back.
  silence_seconds = min(88200, max(local.log_delay_seconds, 3 * var.poll_interval_seconds))
  # Without push an email may wait for one poll interval.
  stored_within_seconds = var.alert_stored_within_seconds + (var.push ? 0 : var.poll_interval_seconds)

  # Label matchers. A log-based metric exists for several resource types, so its queries must name one.
  of_runs         = "monitored_resource=\"cloud_run_revision\""
  of_database     = "monitored_resource=\"cloudsql_database\",database_id=\"${local.instance_project}:${local.instance_name}\""
  of_dead_letters = "monitored_resource=\"pubsub_subscription\",subscription_id=\"${var.name}-gmail-dead-letter\""

  work_dispatches = "monitored_resource=\"pubsub_subscription\",subscription_id=\"${var.name}-work\""

  # Half of the retention: Pub/Sub drops a dispatch at its end, so the oldest is never much older than that.
  work_waiting_seconds = local.work_retention_seconds / 2

  # The codes of `requiresOperator` in shared/errors.ts.
  person_codes = [
    "account_added",
    "account_unconfirmed",
    "admin_policy_enforced",
    "bad_client",
    "delegation_account_missing",
    "delegation_api_disabled",
    "delegation_not_allowed",
    "delegation_not_configured",
    "delegation_signing_denied",
    "deleted_client",
    "disabled_client",
    "gmail_denied",
    "google_credentials_missing",
    "label_missing",
    "mail_service_disabled",
    "mailbox_not_found",
    "mailbox_secret_missing",
    "mailbox_secret_unreadable",
    "org_internal",
    "policy_enforced",
    "reauth_required",
    "workspace_session_expired",
    "wrong_account",
  ]

  # A share of the maximum size of the disk, not of its current size. Empty when the disk has no limit.
  disk_alert_bytes = [for gb in [local.database_disk_limit_gb] : floor(gb * pow(1024, 3) * var.alert_disk_percent / 100) if gb > 0]
  # A disk below 1 TB that can grow has grown before it is this full. Just before each growth it is 91 to 95 % full.
  # https://cloud.google.com/sql/docs/postgres/instance-settings
  disk_stuck_percent = 98

  # The alert opens when `query` has returned a value for `duration_seconds`, and closes when it returns none.
  all_alerts = {
    no-successful-cycle = {
      title        = "No successful cycle"
      severity     = "CRITICAL"
      display_name = "No scheduled run has succeeded for ${local.silence_seconds / 60} minutes"
      # Missing data counts as no run: instances that do not start, or a deployment that was never started.
      query            = "(sum(increase(${local.log_series["runs"]}{${local.of_runs},trigger=\"schedule\",outcome=~\"completed|out_of_time\"}[${local.silence_seconds}s])) or vector(0)) == 0"
      duration_seconds = 60
    }

    gmail-needs-a-person = {
      title            = "Gmail needs a person"
      severity         = "CRITICAL"
      display_name     = "Google rejects the refresh token, the OAuth client or access to a mailbox"
      query            = "sum(increase(${local.log_series["runs"]}{${local.of_runs},error_code=~\"${join("|", local.person_codes)}\"}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    a-mailbox-keeps-failing = {
      title        = "A mailbox keeps failing"
      severity     = "ERROR"
      display_name = "Ten runs of a mailbox in a row have failed"
      # A failed run is repeated within five minutes, or in the next interval.
      query            = "sum(increase(${local.log_series["runs-of-failing-mailbox"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    mail-was-missing = {
      title            = "Mail was missing"
      severity         = "ERROR"
      display_name     = "The last reconciliation found messages that Gmail's history never reported"
      query            = "sum(increase(${local.log_series["missing-total"]}_sum{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    messages-are-dead = {
      title            = "Messages are dead"
      severity         = "ERROR"
      display_name     = "Messages are dead after eight failed attempts"
      query            = "sum(increase(${local.log_series["dead-total"]}_sum{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    messages-keep-failing = {
      title        = "Messages keep failing"
      severity     = "WARNING"
      display_name = "For an hour, failed messages have been waiting for a retry"
      query        = "sum(increase(${local.log_series["failing-total"]}_sum{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      # A message that fails once and is stored within minutes needs no operator.
      duration_seconds = 3600
    }

    live-mail-waits = {
      title            = "Live mail waits"
      severity         = "ERROR"
      display_name     = "A new email has waited for more than ${var.alert_live_waiting_seconds} s"
      query            = "sum(increase(${local.log_series["runs-with-live-waiting"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    mail-is-stored-late = {
      title            = "Mail is stored late"
      severity         = "WARNING"
      display_name     = "95th percentile of the time from arrival to stored is above ${local.stored_within_seconds} s"
      query            = "histogram_quantile(0.95, sum by (le) (increase(${local.log_series["arrival-to-stored-ms"]}_bucket{${local.of_runs}}[${max(900, local.state_window_seconds)}s]))) > ${local.stored_within_seconds * 1000}"
      duration_seconds = 60
    }

    emails-wait-for-a-consumer = {
      title            = "Emails wait for a consumer"
      severity         = "ERROR"
      display_name     = "A consumer has not completed an email for more than ${var.consumer_max_wait_seconds} s"
      query            = "sum(increase(${local.log_series["runs-with-queue-waiting"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    emails-of-a-consumer-are-dead = {
      title            = "Emails of a consumer are dead"
      severity         = "ERROR"
      display_name     = "Emails failed five times in the queue of a consumer"
      query            = "sum(increase(${local.log_series["queue-dead-total"]}_sum{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    notification-queue-fills-up = {
      title            = "The notification queue fills up"
      severity         = "ERROR"
      display_name     = "More than 10 % of PostgreSQL's queue of notifications is in use"
      query            = "sum(increase(${local.log_series["runs-with-full-notifications"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      duration_seconds = 60
    }

    watch-is-ending = {
      title        = "The watch is ending"
      severity     = "WARNING"
      display_name = "A watch of Gmail expires in less than ${var.alert_watch_remaining_seconds} s"
      query        = "sum(increase(${local.log_series["runs-with-watch-ending"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0"
      # poll retries a rejected watch after ten minutes. A single failed attempt must not trigger the alert.
      duration_seconds = 900
    }

    history-has-expired = {
      title            = "The history has expired"
      severity         = "WARNING"
      display_name     = "The cursor of a mailbox was older than the history that Gmail keeps"
      query            = "sum(increase(${local.log_series["incidents"]}{${local.of_runs},incident_kind=\"history_expired\"}[3600s])) > 0"
      duration_seconds = 60
    }

    erasing-fails = {
      title        = "Erasing fails"
      severity     = "ERROR"
      display_name = "For an hour, expired emails or objects of the bucket could not be erased"
      query = join(" or ", [
        "sum(increase(${local.log_series["retention-failed"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0",
        "sum(increase(${local.log_series["collection-failed"]}{${local.of_runs}}[${local.state_window_seconds}s])) > 0",
      ])
      # A single failure is repeated by the next run.
      duration_seconds = 3600
    }

    pushes-are-given-up = {
      title            = "Pushes are given up"
      severity         = "WARNING"
      display_name     = "There are messages in the dead-letter subscription"
      query            = "sum(max_over_time(pubsub_googleapis_com:subscription_num_undelivered_messages{${local.of_dead_letters}}[300s])) > 0"
      duration_seconds = 60
    }

    mailboxes-wait-for-an-instance = {
      title        = "Mailboxes wait for an instance"
      severity     = "WARNING"
      display_name = "For ten minutes, due mailboxes have waited for more than ${local.work_waiting_seconds / 60} minutes for an instance of ingest-mailbox"
      query        = "max(max_over_time(pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.work_dispatches}}[300s])) > ${local.work_waiting_seconds}"
      # A burst of due mailboxes, such as after `start`, is worked off by then.
      duration_seconds = 600
    }

    connections-run-short = {
      title        = "Database connections run short"
      severity     = "WARNING"
      display_name = "More than ${var.alert_connections_percent} % of ${local.database_max_connections} connections are in use"
      # There is one series per database.
      query            = "sum(max_over_time(cloudsql_googleapis_com:database_postgresql_num_backends{${local.of_database}}[300s])) > ${floor(local.database_max_connections * var.alert_connections_percent / 100)}"
      duration_seconds = 300
    }

    database-disk-fills-up = {
      title        = "The database disk fills up"
      severity     = "ERROR"
      display_name = "The disk is close to its maximum size, or more than ${local.disk_stuck_percent} % full without growing"
      query = join(" or ", concat(
        [for bytes in local.disk_alert_bytes : "max(avg_over_time(cloudsql_googleapis_com:database_disk_bytes_used{${local.of_database}}[300s])) > ${bytes}"],
        ["max(avg_over_time(cloudsql_googleapis_com:database_disk_utilization{${local.of_database}}[300s])) > ${local.disk_stuck_percent / 100}"],
      ))
      duration_seconds = 900
    }
  }

  push_alerts    = ["pushes-are-given-up", "watch-is-ending"]
  fan_out_alerts = ["mailboxes-wait-for-an-instance"]
  alerts = {
    for key, alert in local.all_alerts : key => alert
    if(var.push || !contains(local.push_alerts, key)) && (local.fan_out || !contains(local.fan_out_alerts, key))
  }
}
