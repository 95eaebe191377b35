# The bucket of large attachments, and attachment-url. With the longest names, because attachment-url adds an account.

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
  # The run applies, and must not build an image.
  image = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
}

run "attachments_bucket_adds_the_bucket_and_attachment_url" {
  variables {
    attachments_bucket    = true
    attachments_min_bytes = 1048576
    attachment_readers    = ["group:archive@example.com"]
    consumers             = { extraction = "orders@orders-example.iam.gserviceaccount.com" }
    kms_key               = "projects/orders-example/locations/europe-west1/keyRings/main/cryptoKeys/mail"
    name                  = "email-monitor-tst"
    project_id            = "a-project-of-thirty-characters"
  }

  assert {
    condition     = !google_cloud_run_v2_service.function["attachment-url"].deletion_protection
    error_message = "Terraform would refuse to turn attachments_bucket off."
  }

  # The bucket.
  assert {
    condition     = google_storage_bucket.attachments[0].soft_delete_policy[0].retention_duration_seconds == 0 && !google_storage_bucket.attachments[0].versioning[0].enabled
    error_message = "An erased attachment must be gone at once."
  }
  assert {
    condition     = google_storage_bucket.attachments[0].public_access_prevention == "enforced" && google_storage_bucket.attachments[0].uniform_bucket_level_access
    error_message = "No object may become public."
  }
  assert {
    condition     = google_storage_bucket.attachments[0].location == "europe-west1" && google_storage_bucket.attachments[0].encryption[0].default_kms_key_name == var.kms_key && google_storage_bucket.attachments[0].labels["app"] == var.name
    error_message = "The bucket must be in the region of the deployment, with its key and labels."
  }
  assert {
    condition     = length(google_storage_bucket.attachments[0].lifecycle_rule) == 1 && one(google_storage_bucket.attachments[0].lifecycle_rule[0].action).type == "AbortIncompleteMultipartUpload"
    error_message = "The only rule must remove interrupted uploads. No rule may delete objects."
  }
  assert {
    condition     = google_storage_bucket.attachments[0].force_destroy == false && length(google_storage_bucket.attachments[0].name) <= 63
    error_message = "A bucket with objects must not be deleted."
  }

  # Who uses it.
  assert {
    condition     = { for key, grant in google_storage_bucket_iam_member.function_uses_attachments : key => "${grant.role} ${grant.member}" } == { for key, value in { console = ["User", "console"], ingest = ["User", "ingest"], attachment_url = ["Viewer", "attachment"] } : key => "roles/storage.object${value[0]} serviceAccount:email-monitor-tst-${value[1]}@a-project-of-thirty-characters.iam.gserviceaccount.com" }
    error_message = "Only the functions that store emails may write, and attachment-url may read."
  }
  assert {
    condition     = { for key, environment in local.function_environments : key => "${environment.ATTACHMENTS_BUCKET} ${environment.ATTACHMENTS_MIN_BYTES}" if can(environment.ATTACHMENTS_BUCKET) } == { for key in ["attachment-url", "console", "gmail-push", "poll", "poll-now"] : key => "${google_storage_bucket.attachments[0].name} 1048576" }
    error_message = "Exactly the functions with a role on the bucket must know it."
  }

  # attachment-url.
  assert {
    condition     = google_service_account_iam_member.attachment_url_signs[0].service_account_id == "projects/a-project-of-thirty-characters/serviceAccounts/email-monitor-tst-attachment@a-project-of-thirty-characters.iam.gserviceaccount.com" && google_service_account_iam_member.attachment_url_signs[0].member == "serviceAccount:email-monitor-tst-attachment@a-project-of-thirty-characters.iam.gserviceaccount.com"
    error_message = "attachment-url may sign as itself, and as no other account."
  }
  assert {
    condition     = toset([for grant in google_cloud_run_v2_service_iam_member.invoker : grant.member if grant.name == "email-monitor-tst-attachment-url"]) == toset(["group:archive@example.com", "serviceAccount:orders@orders-example.iam.gserviceaccount.com"])
    error_message = "Consumers and attachment_readers may call attachment-url, and no one else."
  }
  assert {
    condition     = length(google_sql_user.function["attachment_url"].name) <= 63 && length(google_service_account.function["attachment_url"].account_id) <= 30
    error_message = "PostgreSQL cuts user names at 63 characters, and a service account id has at most 30."
  }
  assert {
    condition     = strcontains(local.database_accounts, ",attachment_url=email-monitor-tst-attachment@a-project-of-thirty-characters.iam,consumer:")
    error_message = "migrate must grant attachment-url its privileges."
  }
  assert {
    condition     = length([for volume in google_cloud_run_v2_service.function["attachment-url"].template[0].volumes : volume if length(volume.secret) > 0]) == 0 && local.function_environments["attachment-url"].APP_FUNCTION == "attachmentUrl"
    error_message = "attachment-url calls no Gmail, so it must not read the credentials."
  }
  assert {
    condition     = local.connections_needed == 34
    error_message = "The default database must suffice for the bucket too."
  }

  # The other accounts.
  assert {
    condition     = max([for user in google_sql_user.function : length(user.name)]...) <= 63
    error_message = "PostgreSQL cuts user names at 63 characters."
  }
  assert {
    condition     = alltrue([for account in concat(values(google_service_account.function), [google_service_account.scheduler_invoker, google_service_account.build], google_service_account.pubsub_invoker) : length(account.account_id) <= 30])
    error_message = "A service account id has at most 30 characters."
  }
}
