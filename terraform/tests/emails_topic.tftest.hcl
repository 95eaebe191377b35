# The topic for stored emails and its subscriptions.

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

run "each_subscriber_pulls_from_a_subscription_of_its_own" {
  variables {
    publish_emails    = true
    email_subscribers = ["orders@orders-example.iam.gserviceaccount.com", "audit@other-project.iam.gserviceaccount.com"]
    kms_key           = "projects/orders-example/locations/europe-west1/keyRings/main/cryptoKeys/mail"
  }

  # The functions that store emails publish, and no others.
  assert {
    condition     = toset([for key, environment in local.function_environments : key if try(environment.EMAILS_PUBSUB_TOPIC, "") == google_pubsub_topic.emails[0].id]) == toset(["poll", "gmail-push", "poll-now", "console"])
    error_message = "An email that is stored by a function without the topic is never announced."
  }
  assert {
    condition     = toset([for grant in google_pubsub_topic_iam_member.function_publishes_emails : grant.member]) == toset(["serviceAccount:email-monitor-ingest@orders-example.iam.gserviceaccount.com", "serviceAccount:email-monitor-console@orders-example.iam.gserviceaccount.com"])
    error_message = "Only the accounts of the functions that store emails may publish."
  }
  assert {
    condition     = alltrue([for grant in google_pubsub_topic_iam_member.function_publishes_emails : grant.role == "roles/pubsub.publisher" && grant.topic == google_pubsub_topic.emails[0].name])
    error_message = "The grant must be on this topic only, and only to publish."
  }
  assert {
    condition     = output.emails_topic == google_pubsub_topic.emails[0].id
    error_message = "The output must name the topic."
  }

  # The subscriptions.
  assert {
    condition     = { for key, subscription in google_pubsub_subscription.emails : key => subscription.name } == { orders = "email-monitor-emails-orders", audit = "email-monitor-emails-audit" }
    error_message = "Every account needs its own subscription, or one would take the messages of another."
  }
  assert {
    condition     = { for key, grant in google_pubsub_subscription_iam_member.subscriber_pulls_emails : grant.subscription => grant.member } == { email-monitor-emails-orders = "serviceAccount:orders@orders-example.iam.gserviceaccount.com", email-monitor-emails-audit = "serviceAccount:audit@other-project.iam.gserviceaccount.com" }
    error_message = "An account may pull from its own subscription only."
  }
  assert {
    condition     = alltrue([for grant in google_pubsub_subscription_iam_member.subscriber_pulls_emails : grant.role == "roles/pubsub.subscriber"])
    error_message = "A worker only pulls and acknowledges."
  }
  assert {
    condition     = alltrue([for subscription in google_pubsub_subscription.emails : subscription.topic == google_pubsub_topic.emails[0].id && subscription.enable_message_ordering && length(subscription.push_config) == 0])
    error_message = "Messages of a mailbox must arrive in order, by pull."
  }
  assert {
    condition     = alltrue([for subscription in google_pubsub_subscription.emails : subscription.labels["app"] == "email-monitor"])
    error_message = "The subscriptions must have the labels of the deployment."
  }
  assert {
    condition     = alltrue([for subscription in google_pubsub_subscription.emails : subscription.expiration_policy[0].ttl == "" && subscription.message_retention_duration == "604800s"])
    error_message = "A worker that is off for days must find its subscription and its messages."
  }
  assert {
    condition     = output.email_subscriptions["orders@orders-example.iam.gserviceaccount.com"] == google_pubsub_subscription.emails["orders"].id && length(output.email_subscriptions) == 2
    error_message = "The output must name the subscription of each account."
  }

  # The topic has the key and the labels of the deployment.
  assert {
    condition     = google_pubsub_topic.emails[0].kms_key_name == var.kms_key
    error_message = "Every topic must be encrypted with the key."
  }
  assert {
    condition     = google_pubsub_topic.emails[0].labels["app"] == "email-monitor"
    error_message = "The topic must have the labels of the deployment."
  }
}

run "the_topic_needs_the_api_also_without_push" {
  command = plan
  variables {
    push           = false
    publish_emails = true
  }

  assert {
    condition     = contains(keys(google_project_service.required), "pubsub.googleapis.com")
    error_message = "The API of Pub/Sub must be enabled."
  }
}
