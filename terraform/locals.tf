# Values that several files use: names, the functions and their differences, timeouts, and the connection budget.

locals {
  labels = merge(var.labels, { app = var.name })

  # Composed instead of read from the job, which would be a cycle: the job needs the URL of poll, and poll needs this id.
  scheduler_job_name = "${var.name}-poll"
  scheduler_job_id   = "projects/${var.project_id}/locations/${var.region}/jobs/${local.scheduler_job_name}"

  # The run budget ends first, then the timeout of the service, then the deadline of the caller. So a run always ends
  # normally and reports its outcome. The service gets 40 s more because a statement may take 30 s after the budget ends.
  timeout_seconds  = var.run_budget_seconds + 40
  deadline_seconds = local.timeout_seconds + 20

  # Without push, gmail-push has no caller. ingest-mailbox is in mailboxes.tf, attachment-url in attachments.tf.
  functions = {
    for key, function in merge(local.all_functions, local.mailbox_functions, local.attachment_functions) :
    key => function if key != "gmail-push" || var.push
  }

  # One entry per function:
  #   account            the service account, shared by functions that need the same permissions
  #   fetches            fetches messages of all mailboxes: it also publishes messages and stores in the bucket
  #   credentials        calls Gmail, and so reads the credentials of the first mailbox. status calls nothing: the others
  #                      record in the database which credentials they hold.
  #   controls_scheduler pauses and resumes the scheduler job
  #   pool               connections per instance
  #   instances          maximum number of instances
  #   concurrency        maximum number of concurrent requests per instance
  #   memory             of an instance. The largest messages (50 MB) need more than 512 MiB while they are fetched.
  all_functions = {
    # The lease allows one run at a time. With a concurrency above 1 the same instance immediately answers "busy" to a poll
    # that arrives during a run.
    poll = {
      target      = "poll", account = "ingest", fetches = true, credentials = true, controls_scheduler = false, pool = 4, instances = 1, concurrency = 4
      memory      = "1Gi"
      environment = {}
    }
    # While another run holds the lease, a push only stores its hint, so one instance can handle a burst of pushes. With many
    # mailboxes most pushes run: mailboxes.tf.
    gmail-push = {
      target      = "gmailPush", account = "ingest", fetches = true, credentials = true, controls_scheduler = false, pool = 4, instances = 1, concurrency = 20
      memory      = "1Gi"
      environment = {}
    }
    poll-now = {
      target      = "pollNow", account = "ingest", fetches = true, credentials = true, controls_scheduler = false, pool = 3, instances = 1, concurrency = 4
      memory      = "1Gi"
      environment = {}
    }
    status = {
      target      = "status", account = "status", fetches = false, credentials = false, controls_scheduler = false, pool = 1, instances = 1, concurrency = 10
      memory      = "512Mi"
      environment = { GMAIL_CREDENTIALS = "held_elsewhere" }
    }
    start = {
      target      = "start", account = "control", fetches = false, credentials = true, controls_scheduler = true, pool = 1, instances = 1, concurrency = 4
      memory      = "512Mi"
      environment = {}
    }
    stop = {
      target      = "stop", account = "control", fetches = false, credentials = true, controls_scheduler = true, pool = 1, instances = 1, concurrency = 4
      memory      = "512Mi"
      environment = {}
    }
    # The console also serves start, stop and poll-now, so it fetches messages. Its page sends requests in parallel.
    console = {
      target      = "console", account = "console", fetches = true, credentials = true, controls_scheduler = true, pool = 2, instances = 1, concurrency = 20
      memory      = "1Gi"
      environment = { IAP_AUDIENCE = var.iap ? local.iap_audience : "" }
    }
    # One migration at a time.
    migrate = {
      target      = "migrate", account = "migrate", fetches = false, credentials = false, controls_scheduler = false, pool = 1, instances = 1, concurrency = 1
      memory      = "512Mi"
      environment = {}
    }
  }

  instances = { for key, function in local.functions : key => lookup(var.max_instances, key, function.instances) }

  # Cloud SQL's default per machine type. It is also set on the instance, so that the budget does not depend on a default.
  # https://cloud.google.com/sql/docs/postgres/flags#postgres-m
  max_connections_of_tier = {
    db-f1-micro       = 25
    db-g1-small       = 50
    db-custom-1-3840  = 100
    db-custom-2-7680  = 400
    db-custom-4-15360 = 500
  }
  # Doubled, because the old and the new revision run at the same time during a rollout. The other 30 % are for consumers,
  # operators, and the connections that Cloud SQL reserves.
  connections_needed  = 2 * sum([for key, function in local.functions : local.instances[key] * function.pool])
  connections_allowed = floor(0.7 * local.database_max_connections)
}
