# Identity-Aware Proxy in front of the console. Plans only: an apply would run the provisioner.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "time" {}

variables {
  alert_emails = ["ops@example.com"]
  # Given, so that nothing is built.
  image      = "europe-west1-docker.pkg.dev/orders-example/email-monitor/functions:abc"
  project_id = "orders-example"
  operators  = ["group:orders@example.com", "user:ana@example.com"]
}

run "lets_only_operators_through_to_the_console" {
  command = plan
  variables {
    iap     = true
    viewers = ["user:ben@example.com"]
  }

  # The proxy is in front of the console only.
  assert {
    condition     = [for key, service in google_cloud_run_v2_service.function : key if service.iap_enabled] == ["console"]
    error_message = "Only the console may be behind the proxy: the other functions are called by programs."
  }
  assert {
    condition     = google_cloud_run_v2_service.function["console"].invoker_iam_disabled == false
    error_message = "The console must still check IAM: only the proxy's account may call it."
  }
  assert {
    condition = { for key, service in google_cloud_run_v2_service.function : key => one([for env in service.template[0].containers[0].env : env.value if env.name == "IAP_AUDIENCE"]) if key == "console" || length([for env in service.template[0].containers[0].env : env if env.name == "IAP_AUDIENCE"]) > 0 } == {
      console = "/projects/123456789012/locations/europe-west1/services/email-monitor-console"
    }
    error_message = "The console alone must check the header, for its own service."
  }
  assert {
    condition     = google_project_service.required["iap.googleapis.com"].disable_on_destroy == false
    error_message = "The API must be enabled, and stay enabled for other services of the project."
  }

  # It lets only operators through.
  assert {
    condition     = toset([for grant in google_iap_web_cloud_run_service_iam_member.operator : grant.member]) == toset(["group:orders@example.com", "user:ana@example.com"])
    error_message = "Exactly the operators must pass the proxy."
  }
  assert {
    condition = alltrue([for grant in google_iap_web_cloud_run_service_iam_member.operator :
      grant.role == "roles/iap.httpsResourceAccessor" && grant.cloud_run_service_name == "email-monitor-console" && grant.location == "europe-west1" && grant.project == "orders-example"
    ])
    error_message = "The grants must be for the console only."
  }
  assert {
    condition = [google_cloud_run_v2_service_iam_member.iap_agent[0].name, google_cloud_run_v2_service_iam_member.iap_agent[0].role, google_cloud_run_v2_service_iam_member.iap_agent[0].member] == [
      "email-monitor-console", "roles/run.invoker", "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
    ]
    error_message = "The proxy's account must be able to call the console."
  }
}

run "follows_region_and_name" {
  command = plan
  variables {
    iap    = true
    name   = "orders"
    region = "europe-west4"
  }

  assert {
    condition     = local.iap_audience == "/projects/123456789012/locations/europe-west4/services/${google_cloud_run_v2_service.function["console"].name}"
    error_message = "The audience must name the deployed service."
  }
}
