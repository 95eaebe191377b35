# The services: timeouts, memory, images, environments.

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
}

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # The run budget ends before the timeout of the service, which ends before the deadlines of its callers.
  assert {
    condition = alltrue([for key, service in local.all_services :
      local.environment.RUN_BUDGET_SECONDS + 30 < tonumber(trimsuffix(service.template[0].timeout, "s"))
    ])
    error_message = "A statement that starts at the end of the budget may take 30 s, so the timeout must be longer."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["poll"].template[0].timeout, "s")) < tonumber(trimsuffix(google_cloud_scheduler_job.poll.attempt_deadline, "s"))
    error_message = "Cloud Scheduler must wait longer than poll may take."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["gmail-push"].template[0].timeout, "s")) < google_pubsub_subscription.gmail_push[0].ack_deadline_seconds
    error_message = "Pub/Sub must wait longer than gmail-push may take."
  }

  # Functions that fetch mail have 1 GiB of memory, the others 512 MiB.
  assert {
    condition = { for key, service in local.all_services : key => service.template[0].containers[0].resources[0].limits["memory"] } == {
      console = "1Gi", gmail-push = "1Gi", poll = "1Gi", poll-now = "1Gi"
      migrate = "512Mi", start = "512Mi", status = "512Mi", stop = "512Mi"
    }
    error_message = "A function that fetches messages of 50 MB needs more than 512 MiB."
  }
  assert {
    condition     = alltrue([for service in local.all_services : service.template[0].containers[0].resources[0].cpu_idle && service.template[0].containers[0].resources[0].startup_cpu_boost])
    error_message = "Every function must be billed per request and start with CPU boost."
  }

  # All services run one image. Each serves its own function.
  assert {
    condition = { for key, service in local.all_services : key => one([for env in service.template[0].containers[0].env : env.value if env.name == "APP_FUNCTION"]) } == {
      console = "console", gmail-push = "gmailPush", migrate = "migrate", poll = "poll", poll-now = "pollNow"
      start   = "start", status = "status", stop = "stop"
    }
    error_message = "Each service must serve its own function."
  }
  assert {
    condition     = alltrue([for service in local.all_services : !contains(service.template[0].containers[0].env[*].name, "FUNCTION_TARGET")])
    error_message = "FUNCTION_TARGET is reserved: the image sets it."
  }
  assert {
    condition     = toset([for service in local.all_services : service.template[0].containers[0].image]) == toset([terraform_data.image[0].input.request.imageUri])
    error_message = "Every service must run the image that is built."
  }
  assert {
    condition     = can(regex("^europe-west1-docker[.]pkg[.]dev/orders-example/email-monitor/functions:[0-9a-f]{16}$", local.image)) && terraform_data.image[0].triggers_replace == [local.image]
    error_message = "The image must be in the repository of this deployment, and a new name must start a build."
  }
  assert {
    condition     = toset([for service in local.all_services : service.template[0].containers[0].base_image_uri]) == toset([terraform_data.image[0].input.request.buildpackBuild.baseImage]) && endswith(local.base_image, "/nodejs24")
    error_message = "An image without an operating system must run on the base image that it was built for."
  }

  # The build request.
  assert {
    condition = terraform_data.image[0].input == {
      parent = "projects/orders-example/locations/europe-west1"
      request = {
        storageSource = {
          bucket = google_storage_bucket.source.name
          object = "source-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.zip"
        }
        imageUri       = local.image
        serviceAccount = "projects/orders-example/serviceAccounts/email-monitor-build@orders-example.iam.gserviceaccount.com"
        buildpackBuild = { functionTarget = "main", baseImage = local.base_image, enableAutomaticUpdates = true }
      }
    }
    error_message = "The build must use the uploaded source, the target main, the base image of the services and the build account."
  }

  # Each function gets the database user of its account, and its pool size.
  assert {
    condition     = { for key, service in local.all_services : key => one([for env in service.template[0].containers[0].env : env.value if env.name == "DB_USER"]) } == { for key, function in local.functions : key => google_sql_user.function[function.account].name }
    error_message = "Each function must log in as the user of its account."
  }
  assert {
    condition     = { for key, service in local.all_services : key => tonumber(one([for env in service.template[0].containers[0].env : env.value if env.name == "DB_POOL_SIZE"])) } == { for key, function in local.functions : key => function.pool }
    error_message = "The connection budget requires that each function gets its pool size."
  }
  assert {
    condition     = alltrue([for key, service in local.all_services : service.template[0].scaling[0].max_instance_count == local.instances[key]])
    error_message = "The connection budget requires that no function has more instances."
  }

  # The functions connect to the database through the Cloud SQL socket.
  assert {
    condition = alltrue([for service in local.all_services : one([
      for volume in service.template[0].volumes : one(volume.cloud_sql_instance[0].instances) if length(volume.cloud_sql_instance) > 0
    ]) == "${google_sql_database_instance.main[0].project}:${google_sql_database_instance.main[0].region}:${google_sql_database_instance.main[0].name}"])
    error_message = "Every function must mount the socket of the created instance."
  }
  assert {
    condition     = alltrue([for service in local.all_services : contains(service.template[0].containers[0].volume_mounts[*].mount_path, "/cloudsql")])
    error_message = "The code expects the socket in /cloudsql."
  }
  assert {
    condition     = local.environment.DB_NAME == google_sql_database.main.name
    error_message = "The functions must use the created database."
  }
}

run "changed_source_changes_the_image" {
  command = plan
  override_data {
    target = data.archive_file.source
    values = {
      output_sha256 = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
      output_path   = ".terraform/source.zip"
    }
  }

  assert {
    condition     = alltrue([for service in local.all_services : service.template[0].containers[0].image == local.image]) && local.image != run.default_plan.image
    error_message = "With an unchanged image name a new source would never be deployed."
  }
  assert {
    condition     = terraform_data.image[0].input.request.storageSource.object == "source-60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752.zip"
    error_message = "A new source must be a new object."
  }
}

run "builds_in_another_region_runs_for_the_longest_time_and_takes_the_name_of_a_label" {
  command = plan
  variables {
    build_region       = "us-central1"
    gmail_label_id     = "Purchase orders"
    run_budget_seconds = 540
  }

  assert {
    condition     = local.environment.GMAIL_LABEL_ID == "Purchase orders"
    error_message = "The code finds a label by its name, which may contain spaces."
  }

  assert {
    condition     = terraform_data.image[0].input.parent == "projects/orders-example/locations/us-central1" && local.image == run.default_plan.image
    error_message = "build_region must change where the image is built, and nothing else."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["gmail-push"].template[0].timeout, "s")) == 580 && google_pubsub_subscription.gmail_push[0].ack_deadline_seconds == 600
    error_message = "The timeout for the longest budget must be below 600 s, the longest time that Pub/Sub waits."
  }
}
