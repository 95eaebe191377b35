# Many mailboxes: the work topic and ingest-mailbox, the delegated account, and the budgets.

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

run "mailbox_instances_adds_a_topic_that_calls_ingest_mailbox" {
  variables {
    mailbox_instances = 4
    database_tier     = "db-custom-2-7680"
    kms_key           = "projects/orders-example/locations/europe-west1/keyRings/main/cryptoKeys/mail"
  }

  assert {
    condition     = !google_cloud_run_v2_service.function["ingest-mailbox"].deletion_protection
    error_message = "Terraform would refuse to turn mailbox_instances off."
  }

  # The topic, and who publishes.
  assert {
    condition     = google_pubsub_topic.work[0].name == "email-monitor-work" && google_pubsub_topic.work[0].kms_key_name == var.kms_key && google_pubsub_topic.work[0].labels["app"] == "email-monitor"
    error_message = "The topic must have the name, the key and the labels of the deployment."
  }
  assert {
    condition     = toset([for grant in google_pubsub_topic_iam_member.function_dispatches : "${grant.topic} ${grant.role} ${grant.member}"]) == toset([for key in ["console", "ingest"] : "email-monitor-work roles/pubsub.publisher serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com"])
    error_message = "poll and poll-now publish, and the console, which serves poll-now too. No other account may."
  }
  assert {
    condition     = toset([for key, environment in local.function_environments : key if try(environment.WORK_PUBSUB_TOPIC, "") == google_pubsub_topic.work[0].id]) == toset(["console", "gmail-push", "ingest-mailbox", "poll", "poll-now"])
    error_message = "The functions whose accounts may publish must know the topic."
  }

  # The subscription.
  assert {
    condition     = google_pubsub_subscription.work[0].topic == google_pubsub_topic.work[0].id && google_pubsub_subscription.work[0].push_config[0].push_endpoint == google_cloud_run_v2_service.function["ingest-mailbox"].uri
    error_message = "What poll publishes must reach ingest-mailbox."
  }
  assert {
    condition     = google_pubsub_subscription.work[0].push_config[0].oidc_token[0].audience == google_cloud_run_v2_service.function["ingest-mailbox"].uri && google_pubsub_subscription.work[0].push_config[0].oidc_token[0].service_account_email == "email-monitor-work@orders-example.iam.gserviceaccount.com"
    error_message = "Pub/Sub must call as its own account, with a token for this function."
  }
  assert {
    condition     = google_pubsub_subscription.work[0].message_retention_duration == "600s" && google_pubsub_subscription.work[0].expiration_policy[0].ttl == "" && length(google_pubsub_subscription.work[0].dead_letter_policy) == 0
    error_message = "An old dispatch must expire, because the next poll publishes the mailbox again. The subscription must not."
  }
  assert {
    condition     = tonumber(trimsuffix(google_cloud_run_v2_service.function["ingest-mailbox"].template[0].timeout, "s")) < google_pubsub_subscription.work[0].ack_deadline_seconds && google_pubsub_subscription.work[0].retry_policy[0].maximum_backoff == "60s"
    error_message = "Pub/Sub must wait longer than a run may take, and retry before the next poll."
  }
  assert {
    condition     = google_service_account_iam_member.pubsub_signs_work[0].service_account_id == "projects/orders-example/serviceAccounts/email-monitor-work@orders-example.iam.gserviceaccount.com" && google_service_account_iam_member.pubsub_signs_work[0].member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub's service agent must be able to create the tokens."
  }

  # The function.
  assert {
    condition     = [for grant in google_cloud_run_v2_service_iam_member.invoker : grant.name if grant.member == "serviceAccount:email-monitor-work@orders-example.iam.gserviceaccount.com"] == ["email-monitor-ingest-mailbox"] && [for grant in google_cloud_run_v2_service_iam_member.invoker : grant.member if grant.name == "email-monitor-ingest-mailbox"] == ["serviceAccount:email-monitor-work@orders-example.iam.gserviceaccount.com"]
    error_message = "Only this account may call ingest-mailbox, and it may call nothing else."
  }
  assert {
    condition = [
      google_cloud_run_v2_service.function["ingest-mailbox"].template[0].service_account,
      google_cloud_run_v2_service.function["ingest-mailbox"].template[0].scaling[0].max_instance_count,
      google_cloud_run_v2_service.function["ingest-mailbox"].template[0].max_instance_request_concurrency,
      google_cloud_run_v2_service.function["ingest-mailbox"].template[0].containers[0].resources[0].limits["memory"],
      google_cloud_run_v2_service.function["ingest-mailbox"].ingress,
    ] == [google_cloud_run_v2_service.function["poll"].template[0].service_account, 4, 4, "2Gi", "INGRESS_TRAFFIC_INTERNAL_ONLY"]
    error_message = "ingest-mailbox must run as poll does, four mailboxes per instance, and be closed to other callers."
  }
  assert {
    condition     = keys(local.function_environments["poll"]) == keys(local.function_environments["ingest-mailbox"]) && local.function_environments["ingest-mailbox"].DB_POOL_SIZE == 8 && local.function_environments["ingest-mailbox"].APP_FUNCTION == "ingestMailbox"
    error_message = "ingest-mailbox needs the environment of poll, and two connections per run."
  }
  assert {
    condition = [for key in ["gmail-push", "ingest-mailbox"] : [
      google_cloud_run_v2_service.function[key].template[0].max_instance_request_concurrency,
      google_cloud_run_v2_service.function[key].template[0].containers[0].resources[0].limits["memory"],
      local.function_environments[key].DB_POOL_SIZE,
    ]] == [[4, "2Gi", 8], [4, "2Gi", 8]]
    error_message = "Each push can be for another mailbox, so gmail-push needs as much per run as ingest-mailbox."
  }

  # The budgets: 4 instances with 4 mailboxes, 4 pushes, and one run of each other function.
  assert {
    condition     = local.parallel_runs == 23 && local.units_per_minute_needed == 23 * 6000 && local.connections_needed == 2 * (21 + 4 * 8)
    error_message = "The preconditions must compare these numbers."
  }

  # Metrics and alerts.
  assert {
    condition     = alltrue([for metric in merge(google_logging_metric.counter, google_logging_metric.value) : strcontains(metric.filter, "\"email-monitor-ingest-mailbox\"")])
    error_message = "Most runs take place in ingest-mailbox, so every metric must read its lines."
  }
  assert {
    condition     = length(flatten([for metric in google_logging_metric.counter : [for label in keys(metric.label_extractors) : label if !contains(["error_code", "incident_kind", "outcome", "trigger"], label)]])) == 0 && alltrue([for metric in google_logging_metric.value : length(coalesce(metric.label_extractors, {})) == 0])
    error_message = "A label for the mailbox would create one time series per mailbox and metric."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["mailboxes-wait-for-an-instance"].conditions[0].condition_prometheus_query_language[0].query, "subscription_id=\"email-monitor-work\"}[300s])) > 300")
    error_message = "The alert must open before dispatches expire, which ends their age."
  }
  assert {
    condition     = strcontains(google_monitoring_alert_policy.alert["mailboxes-wait-for-an-instance"].documentation[0].content, "`email-monitor-ingest-mailbox`") && !strcontains(google_monitoring_alert_policy.alert["mailboxes-wait-for-an-instance"].documentation[0].content, "$${")
    error_message = "The runbook must name the function of this deployment."
  }
  assert {
    condition     = strcontains(google_monitoring_dashboard.this.dashboard_json, "email-monitor-work") && strcontains(google_monitoring_dashboard.this.dashboard_json, "REDUCE_PERCENTILE_99")
    error_message = "The dashboard must show the oldest dispatch, and the worst mailboxes in addition to the mean."
  }
}

run "the_work_topic_needs_the_api_also_without_push" {
  command = plan
  variables {
    push              = false
    mailbox_instances = 1
    database_tier     = "db-custom-1-3840"
  }

  assert {
    condition     = contains(keys(google_project_service.required), "pubsub.googleapis.com") && local.parallel_runs == 4 + 3
    error_message = "The API of Pub/Sub must be enabled, and no pushes counted."
  }
}

# 2 * (21 + 2 * 8) connections, of which db-custom-1-3840 allows 70.
run "rejects_more_mailbox_instances_than_the_database_has_connections_for" {
  command = plan
  variables {
    mailbox_instances = 2
    database_tier     = "db-custom-1-3840"
  }
  expect_failures = [google_sql_database.main]
}

# 14 * 4 + 7 runs with 20,000 units each are 1,260,000.
run "rejects_more_mailboxes_at_once_than_the_project_has_units_for" {
  command = plan
  variables {
    mailbox_instances            = 14
    database_tier                = "db-custom-2-7680"
    gmail_quota_units_per_minute = 20000
  }
  expect_failures = [google_pubsub_subscription.work]
}

run "gmail_delegation_adds_an_account_that_only_the_functions_sign_as" {
  override_resource {
    target = google_service_account.gmail
    values = { unique_id = "104857600000000000002" }
  }
  variables {
    gmail_delegation = true
    retention_days   = 365
  }

  assert {
    condition     = toset([for grant in google_service_account_iam_member.function_signs_as_gmail : "${grant.service_account_id} ${grant.role} ${grant.member}"]) == toset([for key in ["console", "ingest"] : "projects/orders-example/serviceAccounts/email-monitor-gmail@orders-example.iam.gserviceaccount.com roles/iam.serviceAccountTokenCreator serviceAccount:email-monitor-${key}@orders-example.iam.gserviceaccount.com"])
    error_message = "Exactly the accounts of the functions that fetch may sign as this account, and as no other."
  }
  assert {
    condition     = { for key, environment in local.function_environments : key => environment.GMAIL_DELEGATION_SERVICE_ACCOUNT if can(environment.GMAIL_DELEGATION_SERVICE_ACCOUNT) } == { for key in ["console", "gmail-push", "poll", "poll-now"] : key => "email-monitor-gmail@orders-example.iam.gserviceaccount.com" }
    error_message = "The functions that fetch must know the account."
  }
  assert {
    condition     = output.gmail_delegation.client_id == "104857600000000000002" && output.gmail_delegation.scope == "https://www.googleapis.com/auth/gmail.readonly" && contains(keys(google_project_service.required), "iamcredentials.googleapis.com")
    error_message = "The output must have what the administrator enters, and the API that signs must be enabled."
  }
  assert {
    condition     = alltrue([for environment in local.function_environments : environment.RETENTION_DAYS == "365"])
    error_message = "Every function must know the retention: some erase, others show it."
  }
}
