# The services: times, memory, images, environments.

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

  # Ends the budget before the service and the service before its callers.
  assert {
    condition = alltrue([for key, service in google_cloud_run_v2_service.function :
      local.environment.RUN_BUDGET_SECONDS + 30 < tonumber(trimsuffix(service.template[0].timeout, "s"))
    ])
    error_message = "A statement that begins at the end of the budget may take 30 seconds; the service must still be there."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["poll"].template[0].timeout, "s")) < tonumber(trimsuffix(google_cloud_scheduler_job.poll.attempt_deadline, "s"))
    error_message = "Cloud Scheduler must wait longer than poll may take."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["gmail-push"].template[0].timeout, "s")) < google_pubsub_subscription.gmail_push.ack_deadline_seconds
    error_message = "Pub/Sub must wait longer than gmail-push may take."
  }

  # Gives a gibibyte to what fetches mail and half of one to the others.
  assert {
    condition = { for key, service in google_cloud_run_v2_service.function : key => service.template[0].containers[0].resources[0].limits["memory"] } == {
      console = "1Gi", gmail-push = "1Gi", poll = "1Gi", poll-now = "1Gi"
      migrate = "512Mi", start = "512Mi", status = "512Mi", stop = "512Mi"
    }
    error_message = "A message of 50 MB needs more than 512 MiB wherever it may be fetched."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.template[0].containers[0].resources[0].cpu_idle && service.template[0].containers[0].resources[0].startup_cpu_boost])
    error_message = "Every function must be paid for by the request, and start with the boost."
  }

  # Deploys each entry point from the image that is built for it.
  assert {
    condition = { for key, service in google_cloud_run_v2_service.function : key => service.build_config[0].function_target } == {
      console = "console", gmail-push = "gmailPush", migrate = "migrate", poll = "poll", poll-now = "pollNow"
      start   = "start", status = "status", stop = "stop"
    }
    error_message = "Each service must have its own entry point."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.template[0].containers[0].image == service.build_config[0].image_uri])
    error_message = "What runs must be what was built."
  }
  assert {
    condition     = alltrue([for key, service in google_cloud_run_v2_service.function : startswith(service.build_config[0].image_uri, "europe-west1-docker.pkg.dev/orders-example/email-monitor/${key}:")])
    error_message = "Images must lie in the repository of this deployment, each under its function's name."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.build_config[0].enable_automatic_updates && endswith(service.build_config[0].base_image, "/nodejs24") && service.template[0].containers[0].base_image_uri == service.build_config[0].base_image])
    error_message = "An image that is built without an operating system must run on the base that it was built for."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : service.build_config[0].service_account == "projects/orders-example/serviceAccounts/email-monitor-build@orders-example.iam.gserviceaccount.com"])
    error_message = "Builds must run as the account for builds, by its full name."
  }

  # Tells each function its own user and pool.
  assert {
    condition     = { for key, service in google_cloud_run_v2_service.function : key => one([for env in service.template[0].containers[0].env : env.value if env.name == "DB_USER"]) } == { for key, user in google_sql_user.function : key => user.name }
    error_message = "Each function must log in as the user that is made for it."
  }
  assert {
    condition     = { for key, service in google_cloud_run_v2_service.function : key => tonumber(one([for env in service.template[0].containers[0].env : env.value if env.name == "DB_POOL_SIZE"])) } == { for key, function in local.functions : key => function.pool }
    error_message = "The budget of connections holds only if each function knows its pool."
  }
  assert {
    condition     = alltrue([for key, service in google_cloud_run_v2_service.function : service.template[0].scaling[0].max_instance_count == local.instances[key]])
    error_message = "The budget of connections holds only if no function has more instances."
  }

  # Reaches the database over its socket.
  assert {
    condition = alltrue([for service in google_cloud_run_v2_service.function : one([
      for volume in service.template[0].volumes : one(volume.cloud_sql_instance[0].instances) if length(volume.cloud_sql_instance) > 0
    ]) == "${google_sql_database_instance.main.project}:${google_sql_database_instance.main.region}:${google_sql_database_instance.main.name}"])
    error_message = "Every function must have the socket of the instance that there is."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : contains(service.template[0].containers[0].volume_mounts[*].mount_path, "/cloudsql")])
    error_message = "The code looks for the socket under /cloudsql."
  }
  assert {
    condition     = local.environment.DB_NAME == google_sql_database.main.name
    error_message = "The functions must use the database that is made."
  }
}

run "keeps_that_order_at_the_longest_budget" {
  command = plan
  variables {
    run_budget_seconds = 540
  }

  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["gmail-push"].template[0].timeout, "s")) == 580 && google_pubsub_subscription.gmail_push.ack_deadline_seconds == 600
    error_message = "The longest budget must fit below the ten minutes that Pub/Sub waits at most."
  }
}

run "refuses_each_of_these" {
  command = plan
  variables {
    # Refuses a budget that pubsub would not wait for.
    run_budget_seconds = 541
    # Refuses a name too long for a user of the database.
    name = "email-monitor-test"
    # Refuses a log level that would silence the alerts.
    log_level = "warning"
  }

  expect_failures = [var.run_budget_seconds, var.name, var.log_level]
}

run "refuses_the_project_of_the_example" {
  command = plan
  variables {
    project_id = "my-project"
  }

  expect_failures = [var.project_id]
}

run "asks_for_the_same_builds_that_the_services_expect" {
  assert {
    condition     = { for key, request in terraform_data.build.output.requests : key => request.imageUri } == { for key, service in google_cloud_run_v2_service.function : key => service.template[0].containers[0].image }
    error_message = "What is built must be what the services run."
  }
  assert {
    condition     = alltrue([for key, request in terraform_data.build.output.requests : "gs://${request.storageSource.bucket}/${request.storageSource.object}" == google_cloud_run_v2_service.function[key].build_config[0].source_location])
    error_message = "A build must take the source that its service names."
  }
  assert {
    condition     = alltrue([for key, request in terraform_data.build.output.requests : request.buildpackBuild.functionTarget == google_cloud_run_v2_service.function[key].build_config[0].function_target])
    error_message = "A build must make the entry point that its service names."
  }
  assert {
    condition     = google_storage_bucket_object.source.name == "source-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.zip"
    error_message = "The name of the source must carry its hash."
  }
}

run "takes_another_image_when_the_source_is_another" {
  command = plan
  override_data {
    target = data.archive_file.source
    values = {
      output_sha256 = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
      output_path   = ".terraform/source.zip"
    }
  }

  assert {
    condition     = alltrue([for key, service in google_cloud_run_v2_service.function : service.template[0].containers[0].image != run.asks_for_the_same_builds_that_the_services_expect.builds.requests[key].imageUri])
    error_message = "A new source under an old image's name would never be deployed."
  }
  assert {
    condition     = google_storage_bucket_object.source.name == "source-60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752.zip"
    error_message = "A new source must be a new object."
  }
}

run "tells_migrate_alone_whose_accounts_there_are" {
  command = plan
  variables {
    consumers = ["phase3@orders-example.iam.gserviceaccount.com", "audit@orders-example.iam.gserviceaccount.com"]
  }

  assert {
    condition = one([for env in google_cloud_run_v2_service.function["migrate"].template[0].containers[0].env : env.value if env.name == "DB_ACCOUNTS"]) == join(",", concat(
      [for key in ["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"] : "${key}=${google_sql_user.function[key].name}"],
      ["consumer=audit@orders-example.iam", "consumer=phase3@orders-example.iam"],
    ))
    error_message = "migrate must be told the users that there are, by the names that PostgreSQL has for them."
  }
  assert {
    condition     = [for key, service in google_cloud_run_v2_service.function : key if contains(service.template[0].containers[0].env[*].name, "DB_ACCOUNTS")] == ["migrate"]
    error_message = "The accounts are migrate's business alone."
  }
  assert {
    condition     = toset([for user in google_sql_user.consumer : user.name]) == toset(["audit@orders-example.iam", "phase3@orders-example.iam"])
    error_message = "Each consumer must be a user of the database."
  }
}

run "keeps_the_longest_user_within_what_postgresql_takes" {
  command = plan
  variables {
    name       = "email-monitor-tst"
    project_id = "a-project-of-thirty-characters"
  }
  assert {
    condition     = max([for user in google_sql_user.function : length(user.name)]...) == 63
    error_message = "PostgreSQL cuts a name after 63 characters."
  }
  assert {
    condition     = alltrue([for account in google_service_account.function : length(account.account_id) <= 30])
    error_message = "An account's id has 30 characters at most."
  }
}
