# Who may call which function. No function is public: Cloud Run rejects all other callers before the function's code runs.
# In addition, the other functions may call migrate: see migrate.tf.

locals {
  # Service accounts are keyed by name, not by email address, so that the keys are known at plan time.
  invoker_sets = {
    poll       = { scheduler-invoker = "serviceAccount:${local.scheduler_invoker_email}" }
    gmail-push = var.push ? { pubsub-invoker = "serviceAccount:${local.pubsub_invoker_email}" } : {}
    poll-now   = { for member in var.operators : member => member }
    status     = { for member in setunion(var.operators, var.viewers) : member => member }
    start      = { for member in var.operators : member => member }
    stop       = { for member in var.operators : member => member }
    console    = { for member in var.operators : member => member }
    migrate    = { for member in var.deployers : member => member }

    ingest-mailbox = local.fan_out ? { work-invoker = "serviceAccount:${local.work_invoker_email}" } : {}
    attachment-url = var.attachments_bucket ? { for member in local.attachment_readers : member => member } : {}
  }
  invokers = merge([
    for key, members in local.invoker_sets : {
      for name, member in members : "${key} ${name}" => { function = key, member = member }
    }
  ]...)
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.invokers

  project  = var.project_id
  location = local.all_services[each.value.function].location
  name     = local.all_services[each.value.function].name
  role     = "roles/run.invoker"
  member   = each.value.member
}
