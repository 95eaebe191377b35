# What is known only after an apply: ids, URLs, and the outputs made of them.

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
  # Another image than that of the deployment, which must not be built.
  image = "us-central1-docker.pkg.dev/other-project/email-monitor/functions@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
}

# One run for all assertions on the default deployment, because each run loads the whole provider schema.
run "default_apply" {
  override_resource {
    target = google_service_account.function["control"]
    values = { unique_id = "104857600000000000001" }
  }

  # An image that was built elsewhere, or before: nothing is built.
  assert {
    condition     = toset([for service in local.all_services : service.template[0].containers[0].image]) == toset([var.image])
    error_message = "Every service must run the given image."
  }
  assert {
    condition     = length(terraform_data.image) + length(google_storage_bucket_object.source) + length(data.archive_file.source) == 0
    error_message = "A given image needs no source and no build."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : one([for env in service.template[0].containers[0].env : env.value if env.name == "MIGRATE_URL"]) == google_cloud_run_v2_service.migrate.uri])
    error_message = "Each function must find migrate."
  }
  assert {
    condition     = !contains(google_cloud_run_v2_service.migrate.template[0].containers[0].env[*].name, "MIGRATE_URL")
    error_message = "migrate must not call itself."
  }

  # Outputs contain no secret.
  assert {
    condition     = !can(regex("(?i)secret_data|password", jsonencode([output.image, output.next_commands, output.urls])))
    error_message = "Outputs are printed and stored, so they must not contain secrets."
  }
  assert {
    condition     = strcontains(output.next_commands, "gcloud secrets versions add email-monitor-gmail-refresh-token --project orders-example --data-file=-")
    error_message = "The commands must read the credentials from standard input, which process lists do not show."
  }
  assert {
    condition     = output.urls == { for key, service in local.all_services : key => service.uri } && output.status_url == google_cloud_run_v2_service.function["status"].uri
    error_message = "The deploy command must find the URL of each function under its name."
  }
  assert {
    condition     = [output.project_id, output.region, output.name] == ["orders-example", "europe-west1", "email-monitor"]
    error_message = "The deploy command must get the project, region and name of the deployment."
  }

  # A later deployment does not need the id of the custom role.
  assert {
    condition     = alltrue([for grant in google_project_iam_member.scheduler_switch : grant.role == google_project_iam_custom_role.scheduler_switch.name])
    error_message = "The grants must use the custom role."
  }
  assert {
    condition     = google_project_iam_custom_role.scheduler_switch.role_id == "email_monitor_scheduler_104857600000000000001"
    error_message = "Google blocks the id of a destroyed role for weeks, so the id must contain a number that is never used again."
  }

  # The job calls poll with its token. It is created paused, which matches the is_running flag of a new database.
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].uri == google_cloud_run_v2_service.function["poll"].uri
    error_message = "The job must call poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].audience == google_cloud_run_v2_service.function["poll"].uri
    error_message = "Cloud Run rejects a token for another audience."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].oidc_token[0].service_account_email == "email-monitor-scheduler@orders-example.iam.gserviceaccount.com"
    error_message = "The job must call as the account that may invoke poll."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.http_target[0].http_method == "POST"
    error_message = "poll accepts only POST."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.id != "" && local.environment.SCHEDULER_JOB == "projects/${google_cloud_scheduler_job.poll.project}/locations/${google_cloud_scheduler_job.poll.region}/jobs/${google_cloud_scheduler_job.poll.name}"
    error_message = "The functions must pause and resume this job."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.paused
    error_message = "The job must be paused until the first start, like the is_running flag."
  }

  # Gmail may publish, and the subscription calls gmail-push with its token.
  assert {
    condition     = google_pubsub_topic_iam_member.gmail_publishes[0].member == "serviceAccount:gmail-api-push@system.gserviceaccount.com" && google_pubsub_topic_iam_member.gmail_publishes[0].role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.gmail_publishes[0].topic == google_pubsub_topic.gmail[0].name
    error_message = "Gmail publishes as this account, which needs the role on the topic."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].topic == google_pubsub_topic.gmail[0].id && local.environment.GMAIL_PUBSUB_TOPIC == google_pubsub_topic.gmail[0].id
    error_message = "The watch and the subscription must use the same topic."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].push_config[0].push_endpoint == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "Pushes must go to gmail-push."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].push_config[0].oidc_token[0].audience == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "Cloud Run rejects a token for another audience."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].push_config[0].oidc_token[0].service_account_email == "email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub must call as the account that may invoke gmail-push."
  }

  # Undeliverable notifications go to the dead-letter subscription.
  assert {
    condition     = google_pubsub_subscription.gmail_push[0].dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead_letter[0].id && google_pubsub_subscription.dead_letter[0].topic == google_pubsub_topic.dead_letter[0].id
    error_message = "Dead letters must go to a subscription that an operator can read."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.pubsub_sets_aside[0].topic == google_pubsub_topic.dead_letter[0].name && google_pubsub_topic_iam_member.pubsub_sets_aside[0].role == "roles/pubsub.publisher"
    error_message = "Pub/Sub must be allowed to publish dead letters."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.pubsub_acknowledges[0].subscription == google_pubsub_subscription.gmail_push[0].name && google_pubsub_subscription_iam_member.pubsub_acknowledges[0].role == "roles/pubsub.subscriber"
    error_message = "Pub/Sub must be allowed to acknowledge dead letters on the subscription."
  }
  assert {
    condition     = toset([google_pubsub_topic_iam_member.pubsub_sets_aside[0].member, google_pubsub_subscription_iam_member.pubsub_acknowledges[0].member, google_service_account_iam_member.pubsub_signs[0].member]) == toset(["serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"])
    error_message = "These grants must be for Pub/Sub's service agent of this project."
  }
  assert {
    condition     = google_service_account_iam_member.pubsub_signs[0].service_account_id == "projects/orders-example/serviceAccounts/email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub may create tokens only for its invoker account, not for every account of the project."
  }
}
