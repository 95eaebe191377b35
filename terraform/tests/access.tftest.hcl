# Who may do what: accounts, callers, roles.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

# All of what a plan without any wish shows, in one: each run costs the reading of the whole schema.
run "plans_what_is_meant_when_nothing_is_wished" {
  command = plan

  # Gives each function an account of its own.
  assert {
    condition     = { for key, service in google_cloud_run_v2_service.function : key => service.template[0].service_account } == { for key in keys(local.functions) : key => "email-monitor-${key}@orders-example.iam.gserviceaccount.com" }
    error_message = "No two functions may share what they are allowed."
  }
  assert {
    condition     = { for key, account in google_service_account.function : key => account.account_id } == { for key in keys(local.functions) : key => "email-monitor-${key}" }
    error_message = "The accounts that the services run as must be those that are made."
  }

  # Lets only the switches touch the clock and status look at it.
  assert {
    condition     = toset([for grant in google_project_iam_member.scheduler_switch : grant.member]) == toset([for key in ["console", "start", "stop"] : "serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com"])
    error_message = "start, stop and console switch the job, nobody else."
  }
  assert {
    condition     = google_project_iam_custom_role.scheduler_switch.permissions == toset(["cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause"])
    error_message = "The role must be exactly what the code calls."
  }
  assert {
    condition     = google_project_iam_member.scheduler_reader.member == "serviceAccount:email-monitor-status@orders-example.iam.gserviceaccount.com"
    error_message = "status alone reads the job without switching it."
  }
  assert {
    condition     = google_project_iam_custom_role.scheduler_reader.permissions == toset(["cloudscheduler.jobs.get"])
    error_message = "Reading must be all that status may."
  }

  # Lets a build read its source write its log and push its images only.
  assert {
    condition = [google_storage_bucket_iam_member.build_reads_source.role, google_project_iam_member.build_writes_log.role, google_artifact_registry_repository_iam_member.build_writes_images.role] == [
      "roles/storage.objectViewer", "roles/logging.logWriter", "roles/artifactregistry.writer"
    ]
    error_message = "A build needs these three roles."
  }
  assert {
    condition     = toset([google_storage_bucket_iam_member.build_reads_source.member, google_project_iam_member.build_writes_log.member, google_artifact_registry_repository_iam_member.build_writes_images.member]) == toset(["serviceAccount:email-monitor-build@orders-example.iam.gserviceaccount.com"])
    error_message = "They are for the account for builds alone."
  }
  assert {
    condition     = google_storage_bucket.source.public_access_prevention == "enforced" && google_storage_bucket.source.uniform_bucket_level_access
    error_message = "The source must not be public."
  }

  # Lets only the clock and the doorbell call when nobody is named.
  assert {
    condition = { for key, grant in google_cloud_run_v2_service_iam_member.invoker : grant.name => grant.member } == {
      email-monitor-gmail-push = "serviceAccount:email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
      email-monitor-poll       = "serviceAccount:email-monitor-scheduler@orders-example.iam.gserviceaccount.com"
    }
    error_message = "Cloud Scheduler calls poll, Pub/Sub calls gmail-push, and nobody else calls anything."
  }
  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.invoker) == 2
    error_message = "There must be no further grant."
  }
}

run "narrows_the_way_to_the_database_to_the_one_instance" {
  command = plan
  variables {
    consumers = ["phase3@orders-example.iam.gserviceaccount.com"]
  }

  assert {
    condition     = toset([for grant in google_project_iam_member.cloudsql : grant.role]) == toset(["roles/cloudsql.client", "roles/cloudsql.instanceUser"])
    error_message = "Two roles lead to the database, and no other is needed."
  }
  assert {
    condition     = length(google_project_iam_member.cloudsql) == 2 * (length(local.functions) + 1)
    error_message = "Every function and every consumer needs both."
  }
  assert {
    condition = alltrue([for grant in google_project_iam_member.cloudsql :
      grant.condition[0].expression == "resource.name == \"projects/orders-example/instances/${google_sql_database_instance.main.name}\" && resource.service == \"sqladmin.googleapis.com\""
    ])
    error_message = "Without its condition the grant holds for every database of the project."
  }
}

run "grants_the_roles_that_are_made_here" {
  assert {
    condition     = alltrue([for grant in google_project_iam_member.scheduler_switch : grant.role == google_project_iam_custom_role.scheduler_switch.name]) && google_project_iam_member.scheduler_reader.role == google_project_iam_custom_role.scheduler_reader.name
    error_message = "The custom roles must be the ones that are granted."
  }
}

run "gives_operators_viewers_and_deployers_their_functions_and_no_other" {
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
    error_message = "Each function must have exactly its callers."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.role == "roles/run.invoker"])
    error_message = "To call is all that a caller may."
  }
}

run "makes_no_function_public" {
  command = plan
  variables {
    operators = ["group:orders@example.com"]
  }

  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.invoker_iam_disabled == false])
    error_message = "Without IAM's check a function is open to everybody."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : !contains(["allUsers", "allAuthenticatedUsers"], grant.member)])
    error_message = "Nobody unnamed may call."
  }
  assert {
    condition     = toset([for key, service in google_cloud_run_v2_service.function : key if service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY"]) == toset(["gmail-push", "poll"])
    error_message = "What only Google's services call must not be reached from outside; a person must reach the others."
  }
}

run "refuses_each_of_these" {
  command = plan
  variables {
    # Refuses everybody as an operator.
    operators = ["allUsers"]
    # Refuses every google account as a viewer.
    viewers = ["allAuthenticatedUsers"]
    # Refuses everybody as a deployer.
    deployers = ["allUsers"]
    # Refuses a person as a consumer.
    consumers = ["ana@example.com"]
  }

  expect_failures = [var.operators, var.viewers, var.deployers, var.consumers]
}
