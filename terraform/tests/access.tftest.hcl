# Permissions: service accounts, callers, roles, consumers.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "time" {}

variables {
  alert_emails = ["ops@example.com"]
  project_id   = "orders-example"
  # Given, so that nothing is built.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # Functions that need the same permissions share a service account.
  assert {
    condition = { for key, service in local.all_services : key => service.template[0].service_account } == {
      for key, account in {
        poll = "ingest", gmail-push = "ingest", poll-now = "ingest", start = "control", stop = "control", status = "status", console = "console", migrate = "migrate"
      } : key => "email-monitor-${account}@orders-example.iam.gserviceaccount.com"
    }
    error_message = "Functions must not share a service account with functions that need other permissions."
  }
  assert {
    condition     = { for key, account in google_service_account.function : key => account.account_id } == { for key in ["ingest", "control", "status", "console", "migrate"] : key => "email-monitor-${key}" }
    error_message = "The services must run as the created accounts."
  }

  # Only start, stop and console may pause and resume the job, and status may read it.
  assert {
    condition     = toset([for grant in google_project_iam_member.scheduler_switch : grant.member]) == toset([for key in ["console", "control"] : "serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com"])
    error_message = "Only start, stop and console may pause and resume the job."
  }
  assert {
    condition     = google_project_iam_custom_role.scheduler_switch.permissions == toset(["cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause"])
    error_message = "The role must contain exactly the permissions that the code uses."
  }
  assert {
    condition     = google_project_iam_member.scheduler_reader.member == "serviceAccount:email-monitor-status@orders-example.iam.gserviceaccount.com"
    error_message = "status must have the role that can only read the job."
  }
  assert {
    condition     = google_project_iam_member.scheduler_reader.role == "roles/cloudscheduler.viewer"
    error_message = "status may only read the job."
  }

  # A build may only read its source, write its log and push its images.
  assert {
    condition = [google_storage_bucket_iam_member.build_reads_source.role, google_project_iam_member.build_writes_log.role, google_artifact_registry_repository_iam_member.build_writes_images.role] == [
      "roles/storage.objectViewer", "roles/logging.logWriter", "roles/artifactregistry.writer"
    ]
    error_message = "A build must have exactly these three roles."
  }
  assert {
    condition     = toset([google_storage_bucket_iam_member.build_reads_source.member, google_project_iam_member.build_writes_log.member, google_artifact_registry_repository_iam_member.build_writes_images.member]) == toset(["serviceAccount:email-monitor-build@orders-example.iam.gserviceaccount.com"])
    error_message = "Only the build account must have these roles."
  }
  assert {
    condition     = google_storage_bucket.source.public_access_prevention == "enforced" && google_storage_bucket.source.uniform_bucket_level_access
    error_message = "The source must not be public."
  }

  # Every other function may call migrate.
  assert {
    condition = { for key, grant in google_cloud_run_v2_service_iam_member.function_calls_migrate : key => "${grant.name} ${grant.role} ${grant.member}" } == {
      for key in ["console", "control", "ingest", "status"] :
      key => "email-monitor-migrate roles/run.invoker serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com"
    }
    error_message = "A function that meets an outdated schema must be able to call migrate, and only migrate."
  }

  # Without operators, viewers and deployers only the scheduler job and Pub/Sub may call functions.
  assert {
    condition = { for key, grant in google_cloud_run_v2_service_iam_member.invoker : grant.name => grant.member } == {
      email-monitor-gmail-push = "serviceAccount:email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
      email-monitor-poll       = "serviceAccount:email-monitor-scheduler@orders-example.iam.gserviceaccount.com"
    }
    error_message = "Only Cloud Scheduler may call poll, and only Pub/Sub may call gmail-push."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 2
    error_message = "There must be no other grant."
  }
}

run "operators_viewers_and_deployers_may_call_only_their_functions" {
  command = plan
  variables {
    deployers = ["user:dora@example.com"]
    # An entry that is given twice counts once.
    operators = ["group:orders@example.com", "user:ana@example.com", "user:ana@example.com"]
    viewers   = ["user:ana@example.com", "user:ben@example.com"]
  }

  assert {
    condition = { for key in keys(local.functions) : key => toset([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.member if grant.name == "email-monitor-${key}"]) } == {
      console    = toset(["group:orders@example.com", "user:ana@example.com"])
      gmail-push = toset(["serviceAccount:email-monitor-pubsub@orders-example.iam.gserviceaccount.com"])
      migrate    = toset(["user:dora@example.com"])
      poll       = toset(["serviceAccount:email-monitor-scheduler@orders-example.iam.gserviceaccount.com"])
      poll-now   = toset(["group:orders@example.com", "user:ana@example.com"])
      start      = toset(["group:orders@example.com", "user:ana@example.com"])
      status     = toset(["group:orders@example.com", "user:ana@example.com", "user:ben@example.com"])
      stop       = toset(["group:orders@example.com", "user:ana@example.com"])
    }
    error_message = "Each function must have exactly these callers."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.role == "roles/run.invoker"])
    error_message = "A caller must have only the invoker role."
  }

  # No function is public.
  assert {
    condition     = alltrue([for service in local.all_services : service.invoker_iam_disabled == false])
    error_message = "Without the IAM check a function is public."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : !contains(["allUsers", "allAuthenticatedUsers"], grant.member)])
    error_message = "Public principals must not be invokers."
  }
  assert {
    condition     = toset([for key, service in local.all_services : key if service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"]) == toset(["gmail-push", "poll"])
    error_message = "Functions that only Google's services call must not be reachable from outside. Operators must reach the others."
  }

  # Without iap the callers pass no proxy.
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.iap_enabled == false])
    error_message = "No service may be behind the proxy."
  }
  assert {
    condition     = length([for api in keys(google_project_service.required) : api if api == "iap.googleapis.com"]) + length(terraform_data.iap_agent) + length(google_cloud_run_v2_service_iam_member.iap_agent) + length(google_iap_web_cloud_run_service_iam_member.operator) == 0
    error_message = "Without the proxy there must be neither its API, nor its account, nor its grants."
  }
  assert {
    condition     = [for env in google_cloud_run_v2_service.function["console"].template[0].containers[0].env : env.value if env.name == "IAP_AUDIENCE"] == [""]
    error_message = "Without the proxy the console must not expect its header."
  }
}

run "each_consumer_gets_access_to_this_database_only" {
  command = plan
  variables {
    consumers = {
      audit      = "audit@orders-example.iam.gserviceaccount.com"
      extraction = "phase3@orders-example.iam.gserviceaccount.com"
      indexing   = "phase3@orders-example.iam.gserviceaccount.com"
    }
  }

  # Access to this instance only.
  assert {
    condition     = toset([for grant in google_project_iam_member.cloudsql : grant.role]) == toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser"])
    error_message = "Database access needs exactly these two roles."
  }
  assert {
    condition     = length(google_project_iam_member.cloudsql) == 2 * (5 + 2)
    error_message = "The account of every function and every consumer must have both roles, once."
  }
  assert {
    condition = alltrue([for grant in google_project_iam_member.cloudsql :
      grant.condition[0].expression == "resource.name == \"projects/orders-example/instances/${google_sql_database_instance.main[0].name}\" && resource.service == \"sqladmin.googleapis.com\""
    ])
    error_message = "Without the condition the grant applies to every database of the project."
  }

  # An account with several consumers.
  assert {
    condition     = length([for user in google_sql_user.consumer : user.name if user.name == "phase3@orders-example.iam"]) == 1 && length([for grant in google_project_iam_member.cloudsql : grant if grant.member == "serviceAccount:phase3@orders-example.iam.gserviceaccount.com"]) == 2
    error_message = "An account with two consumers must be one database user with one pair of roles."
  }
  assert {
    condition     = endswith(local.database_accounts, ",consumer:extraction=phase3@orders-example.iam,consumer:indexing=phase3@orders-example.iam")
    error_message = "DB_ACCOUNTS must list each consumer."
  }

  # Every function gets the list of database users.
  assert {
    condition = one([for env in google_cloud_run_v2_service.migrate.template[0].containers[0].env : env.value if env.name == "DB_ACCOUNTS"]) == join(",", concat(
      [for key in ["ingest", "control", "console", "status"] : "${key}=${google_sql_user.function[key].name}"],
      ["consumer:audit=audit@orders-example.iam", "consumer:extraction=phase3@orders-example.iam", "consumer:indexing=phase3@orders-example.iam"],
    ))
    error_message = "DB_ACCOUNTS must list all database users by their PostgreSQL names."
  }
  assert {
    condition     = alltrue([for service in local.all_services : contains(service.template[0].containers[0].env[*].name, "DB_ACCOUNTS")])
    error_message = "Every function must get DB_ACCOUNTS, so that it notices when the grants differ."
  }
  assert {
    condition     = toset([for user in google_sql_user.consumer : user.name]) == toset(["audit@orders-example.iam", "phase3@orders-example.iam"])
    error_message = "Each consumer must be a database user."
  }

  # Only migrate may create tables.
  assert {
    condition     = { for key, user in google_sql_user.function : key => user.database_roles if user.database_roles != null } == { migrate = tolist(["cloudsqlsuperuser"]) }
    error_message = "Only migrate may have the superuser role, which would bypass the grants of migrate."
  }
  assert {
    condition     = alltrue([for user in google_sql_user.consumer : user.database_roles == null])
    error_message = "A consumer must have no role, only what migrate grants it."
  }
}
