# What several files need: names, the functions with what each differs in, times, and the budget of connections.

locals {
  labels = merge(var.labels, { app = var.name })

  instance_name = var.name
  # Written out, so that grants and environments do not wait the ten minutes that an instance takes to be made.
  instance_connection_name = "${var.project_id}:${var.region}:${local.instance_name}"
  database_name            = "email_monitor"

  # Not read off the job: it calls poll, and poll must know it.
  scheduler_job_name = "${var.name}-poll"
  scheduler_job_id   = "projects/${var.project_id}/locations/${var.region}/jobs/${local.scheduler_job_name}"

  # The budget ends first, then the service, then who called it: so a run always ends by itself and says how.
  # Forty seconds between the first two, because a statement that began in time may take its thirty.
  timeout_seconds  = var.run_budget_seconds + 40
  deadline_seconds = local.timeout_seconds + 20

  # One row a deployed function. pool is the connections that an instance holds, instances how many there may be at
  # once, concurrency the requests that one instance takes at a time.
  functions = {
    # One run at a time is all that the lease allows. A tick that comes during one is answered "busy" at once by the
    # same instance instead of being refused.
    poll = {
      target      = "poll", fetches = true, credentials = true, switches = false, pool = 4, instances = 1, concurrency = 4
      environment = {}
    }
    # A push only leaves its hint while another holds the lease: a burst of them is served by one instance.
    gmail-push = {
      target      = "gmailPush", fetches = true, credentials = true, switches = false, pool = 4, instances = 1, concurrency = 20
      environment = {}
    }
    poll-now = {
      target      = "pollNow", fetches = true, credentials = true, switches = false, pool = 3, instances = 1, concurrency = 4
      environment = {}
    }
    status = {
      target      = "status", fetches = false, credentials = true, switches = false, pool = 1, instances = 1, concurrency = 10
      environment = {}
    }
    start = {
      target      = "start", fetches = false, credentials = true, switches = true, pool = 1, instances = 1, concurrency = 4
      environment = {}
    }
    stop = {
      target      = "stop", fetches = false, credentials = true, switches = true, pool = 1, instances = 1, concurrency = 4
      environment = {}
    }
    # It serves the verbs too, poll-now among them, so it fetches. The page loads its parts side by side.
    console = {
      target      = "console", fetches = true, credentials = true, switches = true, pool = 2, instances = 1, concurrency = 20
      environment = {}
    }
    # One migration at a time.
    migrate = {
      target      = "migrate", fetches = false, credentials = false, switches = false, pool = 1, instances = 1, concurrency = 1
      environment = { DB_ACCOUNTS = local.database_accounts }
    }
  }

  instances = { for key, function in local.functions : key => lookup(var.max_instances, key, function.instances) }

  # What Cloud SQL allows each machine type, set on the instance too: the budget must not rest on a default.
  # https://cloud.google.com/sql/docs/postgres/flags#postgres-m
  max_connections_of_tier = {
    db-f1-micro       = 25
    db-g1-small       = 50
    db-custom-1-3840  = 100
    db-custom-2-7680  = 400
    db-custom-4-15360 = 500
  }
  database_max_connections = local.max_connections_of_tier[var.database_tier]

  # Twice, because the old and the new revision run side by side during a rollout. The rest of the limit is for the
  # next phase, for people, and for what Cloud SQL keeps for itself.
  connections_needed  = 2 * sum([for key, function in local.functions : local.instances[key] * function.pool])
  connections_allowed = floor(0.7 * local.database_max_connections)
}
