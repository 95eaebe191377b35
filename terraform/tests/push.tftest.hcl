# Push: publisher, subscription, and dead letters.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
  # Some runs apply, and must not build an image.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

run "gmail_may_publish_and_the_subscription_calls_gmail_push_with_its_token" {
  assert {
    condition     = google_pubsub_topic_iam_member.gmail_publishes.member == "serviceAccount:gmail-api-push@system.gserviceaccount.com" && google_pubsub_topic_iam_member.gmail_publishes.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.gmail_publishes.topic == google_pubsub_topic.gmail.name
    error_message = "Gmail publishes as this account, which needs the role on the topic."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.topic == google_pubsub_topic.gmail.id && local.environment.GMAIL_PUBSUB_TOPIC == google_pubsub_topic.gmail.id
    error_message = "The watch and the subscription must use the same topic."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].push_endpoint == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "Pushes must go to gmail-push."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].oidc_token[0].audience == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "Cloud Run rejects a token for another audience."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].oidc_token[0].service_account_email == "email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub must call as the account that may invoke gmail-push."
  }
}

run "undeliverable_notifications_go_to_the_dead_letter_subscription" {
  assert {
    condition     = google_pubsub_subscription.gmail_push.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead_letter.id && google_pubsub_subscription.dead_letter.topic == google_pubsub_topic.dead_letter.id
    error_message = "Dead letters must go to a subscription that an operator can read."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.pubsub_sets_aside.topic == google_pubsub_topic.dead_letter.name && google_pubsub_topic_iam_member.pubsub_sets_aside.role == "roles/pubsub.publisher"
    error_message = "Pub/Sub must be allowed to publish dead letters."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.pubsub_acknowledges.subscription == google_pubsub_subscription.gmail_push.name && google_pubsub_subscription_iam_member.pubsub_acknowledges.role == "roles/pubsub.subscriber"
    error_message = "Pub/Sub must be allowed to acknowledge dead letters on the subscription."
  }
  assert {
    condition     = toset([google_pubsub_topic_iam_member.pubsub_sets_aside.member, google_pubsub_subscription_iam_member.pubsub_acknowledges.member, google_service_account_iam_member.pubsub_signs.member]) == toset(["serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"])
    error_message = "These grants must be for Pub/Sub's service agent of this project."
  }
  assert {
    condition     = google_service_account_iam_member.pubsub_signs.service_account_id == "projects/orders-example/serviceAccounts/email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub may create tokens only for its invoker account, not for every account of the project."
  }
}

run "subscriptions_do_not_expire" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.gmail_push.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead_letter.expiration_policy[0].ttl == ""
    error_message = "By default a subscription is deleted after 31 days without a delivery."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letter.message_retention_duration == "2678400s"
    error_message = "A dead letter must be kept for as long as Pub/Sub supports."
  }
}
