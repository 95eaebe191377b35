# Invalid values of variables. Every run sets at most one for each variable, so a variable with several rules occurs in several
# runs. A list or map has one entry: with two, the run would also pass if only one of them were rejected.

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

run "rejects_values_of_the_wrong_form_or_size" {
  command = plan
  variables {
    # Public operators, all Google accounts as viewers, public deployers.
    operators = ["allUsers"]
    viewers   = ["allAuthenticatedUsers"]
    deployers = ["allUsers"]
    # A consumer that is not a service account.
    consumers = { extraction = "ana@example.com" }
    # Public readers.
    attachments_bucket    = true
    attachment_readers    = ["allUsers"]
    attachments_min_bytes = 1023
    # A subscriber that is not a service account.
    publish_emails    = true
    email_subscribers = ["ana@example.com"]

    # An address with an IAM member prefix.
    alert_emails = ["user:ops@example.com"]
    # Percentages out of range.
    alert_disk_percent        = 0
    alert_connections_percent = 100
    # An alert before the watch is renewed.
    alert_watch_remaining_seconds = 518400
    # A wait for consumers below one minute.
    consumer_max_wait_seconds = 59
    # A channel without its full name.
    notification_channels = ["77"]

    database_deployments = 0
    # A connection name without its project.
    database_instance = "europe-west1:company"
    database_name     = "email-monitor"
    # A tier that is not listed in locals.tf.
    database_tier = "db-n1-standard-1"
    # A second instance of migrate.
    max_instances = { migrate = 2 }
    # A network name without its project.
    private_network = "main"

    gmail_project_quota_units_per_minute = 5999
    mailbox_instances                    = 1.5
    # Below one minute.
    poll_interval_seconds = 30
    retention_days        = 0
    # A budget longer than Pub/Sub waits.
    run_budget_seconds = 541

    # A zone instead of a region.
    build_region = "europe-west1-b"
    # An image without tag or digest.
    image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions"
    # Labels that Google would reject.
    labels = { Team = "Orders" }
    # A log level that would suppress run_finished, and with it the alerts.
    log_level = "warning"
    # A name that is too long for a database user.
    name = "email-monitor-test"
    # A zone.
    region = "europe-west1-b"
  }

  expect_failures = [
    var.operators, var.viewers, var.deployers, var.consumers, var.attachment_readers, var.attachments_min_bytes, var.email_subscribers,
    var.alert_emails, var.alert_disk_percent, var.alert_connections_percent, var.alert_watch_remaining_seconds, var.consumer_max_wait_seconds, var.notification_channels,
    var.database_deployments, var.database_instance, var.database_name, var.database_tier, var.max_instances, var.private_network,
    var.gmail_project_quota_units_per_minute, var.mailbox_instances, var.poll_interval_seconds, var.retention_days, var.run_budget_seconds,
    var.build_region, var.image, var.labels, var.log_level, var.name, var.region,
  ]
}

run "rejects_values_that_contradict_other_variables" {
  command = plan
  variables {
    # Readers without attachments_bucket.
    attachment_readers = ["group:archive@example.com"]
    # Subscribers without publish_emails.
    email_subscribers = ["orders@orders-example.iam.gserviceaccount.com"]
    # The proxy without operators: it would let no one through.
    iap       = true
    operators = []
    # A subnetwork without private_network.
    private_subnetwork = "projects/network-example/regions/europe-west1/subnetworks/run"
    # The key does not work there.
    kms_key          = "projects/orders-example/locations/europe-west1/keyRings/main/cryptoKeys/mail"
    secret_locations = ["europe-west4"]
  }

  expect_failures = [var.attachment_readers, var.email_subscribers, var.iap, var.private_subnetwork, var.secret_locations]
}

run "rejects_other_invalid_values_of_variables_with_several_rules" {
  command = plan
  variables {
    # The name of a consumer with capital letters.
    consumers = { Extraction = "phase3@orders-example.iam.gserviceaccount.com" }
    # Two subscribers whose subscriptions would have the same name.
    publish_emails    = true
    email_subscribers = ["orders@one-project.iam.gserviceaccount.com", "orders@two-project.iam.gserviceaccount.com"]
    # A key of another region.
    kms_key = "projects/orders-example/locations/europe-west4/keyRings/main/cryptoKeys/mail"
    # Above one day.
    poll_interval_seconds = 86460
    # The project of terraform.tfvars.example.
    project_id = "my-project"
  }

  expect_failures = [var.consumers, var.email_subscribers, var.kms_key, var.poll_interval_seconds, var.project_id]
}

run "rejects_a_third_invalid_value_of_variables" {
  command = plan
  variables {
    # The name of a schema of PostgreSQL.
    consumers = { pg_orders = "phase3@orders-example.iam.gserviceaccount.com" }
    # Not whole minutes.
    poll_interval_seconds = 90
    # A region that does not exist.
    region = "europe-middle1"
  }

  expect_failures = [var.consumers, var.poll_interval_seconds, var.region]
}

run "rejects_a_consumer_account_whose_user_name_postgresql_would_cut" {
  command = plan
  variables {
    consumers = { extraction = "a-consumer-of-thirty-character@a-project-of-thirty-characters.iam.gserviceaccount.com" }
  }

  expect_failures = [var.consumers]
}
