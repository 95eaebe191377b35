# Alert policies and their notification channels. A notification contains the runbook of its alert, with the commands of
# this deployment.

locals {
  # Template variables of the runbooks. The commands can be pasted into a shell.
  runbook = {
    project           = var.project_id
    region            = var.region
    name              = var.name
    instance          = local.instance_name
    dead_letters      = "${var.name}-gmail-dead-letter"
    topic             = local.environment.GMAIL_PUBSUB_TOPIC
    status            = "curl -s ${local.identity} ${google_cloud_run_v2_service.function["status"].uri}"
    start             = "curl -s -X POST ${local.identity} ${google_cloud_run_v2_service.function["start"].uri}"
    poll_now          = "curl -s -X POST ${local.identity} ${google_cloud_run_v2_service.function["poll-now"].uri}"
    retry_dead        = "curl -s -X POST ${local.identity} \"${google_cloud_run_v2_service.function["poll-now"].uri}?retry=dead\""
    reconcile_all     = "curl -s -X POST ${local.identity} \"${google_cloud_run_v2_service.function["poll-now"].uri}?reconcile=all\""
    silence_minutes   = local.silence_seconds / 60
    consumer_wait_s   = var.consumer_max_wait_seconds
    live_waiting_s    = var.alert_live_waiting_seconds
    stored_within_s   = local.stored_within_seconds
    push              = var.push
    watch_remaining_s = var.alert_watch_remaining_seconds
    max_connections   = local.database_max_connections
    connections       = var.alert_connections_percent
    disk              = var.alert_disk_percent
    disk_limit        = local.database_disk_limit_gb
    disk_stuck        = local.disk_stuck_percent
    mailbox_instances = var.mailbox_instances
    work_waiting_s    = local.work_waiting_seconds
  }
  identity = "-H \"Authorization: Bearer $(gcloud auth print-identity-token)\""

  # Twice the default: the metrics arrive once per minute, and evaluations are charged.
  alert_evaluation_seconds = 60

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

  depends_on = [time_sleep.apis]
}

resource "google_monitoring_alert_policy" "alert" {
  for_each = local.alerts

  project      = var.project_id
  display_name = each.value.title
  combiner     = "OR"
  severity     = each.value.severity
  user_labels  = merge(local.labels, { alert = each.key })

  notification_channels = local.notification_channels

  conditions {
    display_name = each.value.display_name
    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "${each.value.duration_seconds}s"
      evaluation_interval = "${local.alert_evaluation_seconds}s"
      # See alerts.tf: on the first apply the metrics are not known yet.
      disable_metric_validation = true
    }
  }

  # Only for an incident whose query fails to run. The longest value, so that none closes while its cause lasts.
  alert_strategy {
    auto_close = "604800s"
  }

  documentation {
    mime_type = "text/markdown"
    subject   = "${var.name}: ${each.value.title}"
    content   = chomp(templatefile("${path.module}/runbooks/${each.key}.md.tftpl", local.runbook))
  }

  depends_on = [time_sleep.apis]
}

# A warning instead of an error, because a trial deployment needs no recipients.
check "alerts_have_recipients" {
  assert {
    condition     = length(local.alert_emails) + length(var.notification_channels) > 0
    error_message = "No one is alerted when email stops arriving. Set alert_emails or notification_channels in terraform.tfvars."
  }
}

# Printed by every apply, because an alert without recipients is useless.
output "alerts_reach" {
  description = "Recipients of the alerts."
  value = (
    length(local.alert_emails) + length(var.notification_channels) == 0
    ? "none: set alert_emails or notification_channels, or add a user or group to operators"
    : join(", ", concat(sort(local.alert_emails), var.notification_channels))
  )
}
