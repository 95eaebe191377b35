# The dashboard for operators: whether mail arrives, how late, what is waiting, and the state of the underlying services.
#
# Invariant: no field is set to its default (a position of 0, an empty list). Cloud Monitoring does not return such fields,
# so every plan would show a change.

locals {
  # Width and height of a tile in the grid of twelve columns. Each row has three tiles.
  tile_size = 4

  # Parts of filters.
  logged   = "resource.type=\"cloud_run_revision\" AND metric.type="
  database = "resource.type=\"cloudsql_database\" AND resource.labels.database_id=\"${local.instance_project}:${local.instance_name}\" AND metric.type="
  services = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=starts_with(\"${var.name}-\") AND metric.type="
  pubsub   = { for key in ["gmail-push", "work"] : key => "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"${var.name}-${key}\" AND metric.type=" }

  # The state of a mailbox after a run. With many mailboxes the mean hides the worst ones, which a percentile shows.
  state_lines = {
    for key in ["dead-total", "failing-total", "missing-total", "pending-total", "queue-dead-total"] : key => [
      for reducer in concat(["REDUCE_MEAN"], local.fan_out && key != "queue-dead-total" ? ["REDUCE_PERCENTILE_99"] : []) : {
        filter  = "${local.logged}\"${local.log_metric_types[key]}\""
        aligner = "ALIGN_DELTA", reducer = reducer, by = [], window = 60
      }
    ]
  }
  per_mailbox = local.fan_out ? " per mailbox: mean and 99th percentile" : ""

  # Each entry of `lines` has filter, aligner, reducer, group-by fields (`by`) and window in seconds, or a PromQL `query`.
  tiles = [
    {
      title     = "Freshness: successful scheduled runs per five minutes"
      threshold = null
      lines = [{
        filter  = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.trigger=\"schedule\" AND metric.labels.outcome=one_of(\"completed\",\"out_of_time\")"
        aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = [], window = 300
      }]
    },
    {
      title     = "Runs by outcome"
      threshold = null
      lines = [{
        filter  = "${local.logged}\"${local.log_metric_types["runs"]}\""
        aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = ["metric.label.outcome", "metric.label.trigger"], window = 60
      }]
    },
    {
      title     = "Failed runs by error code"
      threshold = null
      lines = [{
        filter  = "${local.logged}\"${local.log_metric_types["runs"]}\" AND metric.labels.outcome=\"failed\""
        aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = ["metric.label.error_code"], window = 60
      }]
    },
    {
      title     = "Arrival to stored, ms: median and 95th percentile"
      threshold = local.stored_within_seconds * 1000
      lines = [for percentile in ["50", "95"] : {
        filter  = "${local.logged}\"${local.log_metric_types["arrival-to-stored-ms"]}\""
        aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_${percentile}", by = [], window = 300
      }]
    },
    {
      title     = "Emails stored per hour"
      threshold = null
      # Sums of extracted values need PromQL: a filter can only chart means and percentiles of a distribution.
      lines = [{ query = "sum(increase(${local.log_series["stored-count"]}_sum{${local.of_runs}}[1h]))" }]
    },
    {
      title     = "Pending messages${local.per_mailbox}"
      threshold = null
      lines     = local.state_lines["pending-total"]
    },
    {
      title     = "Failing messages (being retried)${local.per_mailbox}"
      threshold = null
      lines     = local.state_lines["failing-total"]
    },
    {
      title     = "Dead messages${local.per_mailbox}"
      threshold = null
      lines     = local.state_lines["dead-total"]
    },
    {
      title     = "Messages missing at the last reconciliation${local.per_mailbox}"
      threshold = null
      lines     = local.state_lines["missing-total"]
    },
    {
      title     = "Dead emails of consumers"
      threshold = null
      lines     = local.state_lines["queue-dead-total"]
    },
    {
      title     = "Database connections (maximum ${local.database_max_connections})"
      threshold = floor(local.database_max_connections * var.alert_connections_percent / 100)
      lines = [{
        filter  = "${local.database}\"cloudsql.googleapis.com/database/postgresql/num_backends\""
        aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = [], window = 60
      }]
    },
    {
      title     = "Database disk usage, bytes"
      threshold = one(local.disk_alert_bytes)
      lines = [{
        filter  = "${local.database}\"cloudsql.googleapis.com/database/disk/bytes_used\""
        aligner = "ALIGN_MEAN", reducer = "REDUCE_MAX", by = [], window = 300
      }]
    },
    {
      title     = "Request latency by service, ms: 95th percentile"
      threshold = null
      lines = [{
        filter  = "${local.services}\"run.googleapis.com/request_latencies\""
        aligner = "ALIGN_DELTA", reducer = "REDUCE_PERCENTILE_95", by = ["resource.label.service_name"], window = 60
      }]
    },
    {
      title     = "Instances by service"
      threshold = null
      lines = [{
        filter  = "${local.services}\"run.googleapis.com/container/instance_count\""
        aligner = "ALIGN_MAX", reducer = "REDUCE_SUM", by = ["resource.label.service_name"], window = 60
      }]
    },
    {
      title     = "Responses by service and status class"
      threshold = null
      lines = [{
        filter  = "${local.services}\"run.googleapis.com/request_count\""
        aligner = "ALIGN_SUM", reducer = "REDUCE_SUM", by = ["resource.label.service_name", "metric.label.response_code_class"], window = 60
      }]
    },
    {
      title     = local.fan_out ? "Oldest unacknowledged push and dispatch, s" : "Oldest unacknowledged push, s"
      threshold = null
      lines = [for subscription in concat(["gmail-push"], local.fan_out ? ["work"] : []) : {
        filter  = "${local.pubsub[subscription]}\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
        aligner = "ALIGN_MAX", reducer = "REDUCE_MAX", by = ["resource.label.subscription_id"], window = 60
      }]
    },
  ]
}

resource "google_monitoring_dashboard" "this" {
  project = var.project_id
  dashboard_json = jsonencode({
    displayName = var.name
    labels      = local.labels
    mosaicLayout = {
      columns = 3 * local.tile_size
      tiles = [
        for index, tile in local.tiles : merge(
          index % 3 == 0 ? {} : { xPos = index % 3 * local.tile_size },
          index < 3 ? {} : { yPos = floor(index / 3) * local.tile_size },
          {
            width  = local.tile_size
            height = local.tile_size
            widget = {
              title = tile.title
              xyChart = merge(
                tile.threshold == null ? {} : { thresholds = [{ value = tile.threshold }] },
                {
                  dataSets = [for line in tile.lines : {
                    plotType = "LINE"
                    timeSeriesQuery = { for kind, query in {
                      prometheusQuery = try(line.query, null)
                      timeSeriesFilter = !can(line.filter) ? null : {
                        filter = line.filter
                        aggregation = merge(
                          length(line.by) == 0 ? {} : { groupByFields = line.by },
                          {
                            alignmentPeriod    = "${line.window}s"
                            perSeriesAligner   = line.aligner
                            crossSeriesReducer = line.reducer
                          },
                        )
                      }
                    } : kind => query if query != null }
                  }]
                },
              )
            }
          },
        )
      ]
    }
  })

  depends_on = [time_sleep.apis]
}
