# Alert policies and their notification channels. A notification contains the runbook of its alert, with the commands of
# this deployment.

locals {
  # Template variables of the runbooks. The commands can be pasted into a shell.
  runbook = {
    project           = var.project_id
    region            = var.region
    name              = var.name
    instance          = local.instance_name
    dead_letters      = google_pubsub_subscription.dead_letter.name
    topic             = google_pubsub_topic.gmail.id
    status            = "curl -s ${local.identity} ${google_cloud_run_v2_service.function["status"].uri}"
    start             = "curl -s -X POST ${local.identity} ${google_cloud_run_v2_service.function["start"].uri}"
    poll_now          = "curl -s -X POST ${local.identity} ${google_cloud_run_v2_service.function["poll-now"].uri}"
    retry_dead        = "curl -s -X POST ${local.identity} \"${google_cloud_run_v2_service.function["poll-now"].uri}?retry=dead\""
    reconcile_all     = "curl -s -X POST ${local.identity} \"${google_cloud_run_v2_service.function["poll-now"].uri}?reconcile=all\""
    silence_minutes   = local.silence_seconds / 60
    live_waiting_s    = var.alert_live_waiting_seconds
    stored_within_s   = var.alert_stored_within_seconds
    watch_remaining_s = var.alert_watch_remaining_seconds
    max_connections   = local.database_max_connections
    connections       = var.alert_connections_percent
    disk              = var.alert_disk_percent
    disk_limit        = local.database_disk_limit_gb
    disk_stuck        = local.disk_stuck_percent
  }
  identity = "-H \"Authorization: Bearer $(gcloud auth print-identity-token)\""

  # The configured addresses, or by default the users and groups among the operators.
  alert_emails = var.alert_emails == null ? toset([
    for member in var.operators : split(":", member)[1] if can(regex("^(user|group):", member))
  ]) : var.alert_emails
  notification_channels = concat(
    [for channel in google_monitoring_notification_channel.email : channel.id],
    var.notification_channels,
  )
}

resource "google_monitoring_notification_channel" "email" {
  for_each = local.alert_emails

  project      = var.project_id
  display_name = "${var.name}: ${each.value}"
  type         = "email"
  labels       = { email_address = each.value }
  user_labels  = local.labels

  lifecycle {
    # Also removes a channel only after the alerts have changed: Cloud Monitoring does not delete a channel that an alert
    # policy uses.
    # https://github.com/hashicorp/terraform-provider-google/issues/3008
    create_before_destroy = true
  }

  depends_on = [google_project_service.required]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  project      = var.project_id
  display_name = each.value.title
  combiner     = "OR"
  severity     = each.value.severity
  user_labels  = merge(local.labels, { alert = each.key })

  notification_channels = local.notification_channels

  dynamic "conditions" {
    for_each = each.value.absences
    content {
      display_name = conditions.value.display_name
      condition_absent {
        filter   = conditions.value.filter
        duration = "${conditions.value.duration_seconds}s"
        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_COUNT"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  dynamic "conditions" {
    for_each = each.value.thresholds
    content {
      display_name = conditions.value.display_name
      condition_threshold {
        filter          = conditions.value.filter
        comparison      = "COMPARISON_${conditions.value.comparison}"
        threshold_value = conditions.value.value
        # Cloud Monitoring evaluates missing data only if the duration is at least one minute.
        duration                = "${conditions.value.duration_seconds}s"
        evaluation_missing_data = "EVALUATION_MISSING_DATA_${conditions.value.missing_data}"
        aggregations {
          alignment_period     = "${conditions.value.window_seconds}s"
          per_series_aligner   = conditions.value.aligner
          cross_series_reducer = conditions.value.reducer
        }
      }
    }
  }

  alert_strategy {
    auto_close = "${each.value.auto_close_seconds}s"
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${var.name}: ${each.value.title}"
    content   = chomp(templatefile("${path.module}/runbooks/${each.key}.md.tftpl", local.runbook))
  }

  # See metrics.tf: while the services and the database are created, Cloud Monitoring learns of the metrics.
  depends_on = [google_cloud_run_v2_service.function]
}

# Printed by every apply, because an alert without recipients is useless. It is not an error, because a trial deployment
# needs no recipients.
output "alerts_reach" {
  description = "Recipients of the alerts."
  value = (
    length(local.alert_emails) + length(var.notification_channels) == 0
    ? "none: set alert_emails or notification_channels, or add a user or group to operators"
    : join(", ", concat(sort(local.alert_emails), var.notification_channels))
  )
}
