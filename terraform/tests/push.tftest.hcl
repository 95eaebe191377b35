# Push: publisher, subscription, and dead letters.

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

run "gmail_may_publish_and_the_subscription_calls_gmail_push_with_its_token" {
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
}

run "undeliverable_notifications_go_to_the_dead_letter_subscription" {
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

run "subscriptions_do_not_expire" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.gmail_push[0].expiration_policy[0].ttl == "" && google_pubsub_subscription.dead_letter[0].expiration_policy[0].ttl == ""
    error_message = "By default a subscription is deleted after 31 days without a delivery."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letter[0].message_retention_duration == "2678400s"
    error_message = "A dead letter must be kept for as long as Pub/Sub supports."
  }
}

run "without_push_email_is_found_by_polling_alone" {
  command = plan
  variables {
    push      = false
    operators = ["group:orders@example.com"]
  }

  assert {
    condition = length(concat(
      google_pubsub_topic.gmail, google_pubsub_topic.dead_letter,
      google_pubsub_subscription.gmail_push, google_pubsub_subscription.dead_letter,
      google_pubsub_topic_iam_member.gmail_publishes, google_pubsub_topic_iam_member.pubsub_sets_aside,
      google_pubsub_subscription_iam_member.pubsub_acknowledges, google_service_account_iam_member.pubsub_signs,
      google_service_account.pubsub_invoker,
    )) == 0
    error_message = "An organization that forbids Gmail's account would reject the grant, and the rest has no use without it."
  }
  assert {
    condition     = !contains(keys(google_project_service.required), "pubsub.googleapis.com")
    error_message = "The API of Pub/Sub must not be enabled."
  }
  assert {
    condition     = toset(keys(local.all_services)) == toset(["console", "migrate", "poll", "poll-now", "start", "status", "stop"])
    error_message = "Only gmail-push must be missing."
  }
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.function : one([for env in service.template[0].containers[0].env : env.value if env.name == "GMAIL_PUBSUB_TOPIC"]) == ""])
    error_message = "Without a topic the functions must not register a watch."
  }
  assert {
    condition     = alltrue([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.name != "email-monitor-gmail-push"])
    error_message = "There must be no grant on the missing service."
  }
  assert {
    condition     = google_cloud_scheduler_job.poll.schedule == "* * * * *"
    error_message = "The scheduler job must call poll as before."
  }
}
