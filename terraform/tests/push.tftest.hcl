# Push: who rings, whom it calls, and what becomes of what cannot be delivered.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

run "lets_gmail_ring_and_calls_gmail_push_with_a_token_for_it" {
  assert {
    condition     = google_pubsub_topic_iam_member.gmail_publishes.member == "serviceAccount:gmail-api-push@system.gserviceaccount.com" && google_pubsub_topic_iam_member.gmail_publishes.role == "roles/pubsub.publisher" && google_pubsub_topic_iam_member.gmail_publishes.topic == google_pubsub_topic.gmail.name
    error_message = "Gmail publishes as this account, and needs the role on the topic."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.topic == google_pubsub_topic.gmail.id && local.environment.GMAIL_PUBSUB_TOPIC == google_pubsub_topic.gmail.id
    error_message = "The watch, the topic and the subscription must be of one."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].push_endpoint == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "Pushes must go to gmail-push."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].oidc_token[0].audience == google_cloud_run_v2_service.function["gmail-push"].uri
    error_message = "A token for another audience is refused by Cloud Run."
  }
  assert {
    condition     = google_pubsub_subscription.gmail_push.push_config[0].oidc_token[0].service_account_email == "email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub must call as the account that may invoke gmail-push."
  }
}

run "sets_aside_what_cannot_be_delivered_and_may_do_so" {
  assert {
    condition     = google_pubsub_subscription.gmail_push.dead_letter_policy[0].dead_letter_topic == google_pubsub_topic.dead_letter.id && google_pubsub_subscription.dead_letter.topic == google_pubsub_topic.dead_letter.id
    error_message = "What is given up must land where somebody can read it."
  }
  assert {
    condition     = google_pubsub_topic_iam_member.pubsub_sets_aside.topic == google_pubsub_topic.dead_letter.name && google_pubsub_topic_iam_member.pubsub_sets_aside.role == "roles/pubsub.publisher"
    error_message = "Pub/Sub must be allowed to publish dead letters."
  }
  assert {
    condition     = google_pubsub_subscription_iam_member.pubsub_acknowledges.subscription == google_pubsub_subscription.gmail_push.name && google_pubsub_subscription_iam_member.pubsub_acknowledges.role == "roles/pubsub.subscriber"
    error_message = "Pub/Sub must be allowed to take dead letters off the subscription."
  }
  assert {
    condition     = toset([google_pubsub_topic_iam_member.pubsub_sets_aside.member, google_pubsub_subscription_iam_member.pubsub_acknowledges.member, google_service_account_iam_member.pubsub_signs.member]) == toset(["serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"])
    error_message = "These grants are for Pub/Sub's own account in this project."
  }
  assert {
    condition     = google_service_account_iam_member.pubsub_signs.service_account_id == "projects/orders-example/serviceAccounts/email-monitor-pubsub@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub may sign for its invoker, not for every account of the project."
  }
}

run "keeps_both_subscriptions_through_a_silent_month" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.gmail_push.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead_letter.expiration_policy[0].ttl == ""
    error_message = "A subscription without this vanishes after 31 days without a delivery."
  }
  assert {
    condition     = google_pubsub_subscription.dead_letter.message_retention_duration == "2678400s"
    error_message = "A dead letter must stay for as long as Pub/Sub keeps any."
  }
}
