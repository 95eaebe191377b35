# Permissions: service accounts, callers, roles.

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
  # Some runs apply, and must not build an image.
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

run "grants_database_access_only_to_this_instance" {
  command = plan
  variables {
    consumers = { extraction = "phase3@orders-example.iam.gserviceaccount.com" }
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.cloudsql : grant.role]) == toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser"])
    error_message = "Database access needs exactly these two roles."
  }
  assert {
    condition     = length(google_project_iam_member.cloudsql) == 2 * (5 + 1)
    error_message = "The account of every function and every consumer must have both roles."
  }
  assert {
    condition = alltrue([for grant in google_project_iam_member.cloudsql :
      grant.condition[0].expression == "resource.name == \"projects/orders-example/instances/${google_sql_database_instance.main[0].name}\" && resource.service == \"sqladmin.googleapis.com\""
    ])
    error_message = "Without the condition the grant applies to every database of the project."
  }
}

run "grants_the_custom_role_whose_id_a_later_deployment_does_not_need" {
  override_resource {
    target = google_service_account.function["control"]
    values = { unique_id = "104857600000000000001" }
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.scheduler_switch : grant.role == google_project_iam_custom_role.scheduler_switch.name])
    error_message = "The grants must use the custom role."
  }
  assert {
    condition     = google_project_iam_custom_role.scheduler_switch.role_id == "email_monitor_scheduler_104857600000000000001"
    error_message = "Google blocks the id of a destroyed role for weeks, so the id must contain a number that is never used again."
  }
}

run "operators_viewers_and_deployers_may_call_only_their_functions" {
  command = plan
  variables {
    deployers = ["user:dora@example.com"]
    operators = ["group:orders@example.com", "user:ana@example.com"]
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
}

run "no_function_is_public" {
  command = plan
  variables {
    operators = ["group:orders@example.com"]
  }

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
}

run "grants_an_account_with_several_consumers_once" {
  command = plan
  variables {
    consumers = {
      extraction = "phase3@orders-example.iam.gserviceaccount.com"
      indexing   = "phase3@orders-example.iam.gserviceaccount.com"
    }
  }

  assert {
    condition     = [for user in google_sql_user.consumer : user.name] == ["phase3@orders-example.iam"] && length(google_project_iam_member.cloudsql) == 2 * (5 + 1)
    error_message = "An account with two consumers must be one database user with one pair of roles."
  }
  assert {
    condition     = endswith(local.database_accounts, ",consumer:extraction=phase3@orders-example.iam,consumer:indexing=phase3@orders-example.iam")
    error_message = "DB_ACCOUNTS must list each consumer."
  }
}
