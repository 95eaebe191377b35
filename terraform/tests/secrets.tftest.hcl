# The credentials: never in a variable, an environment or an output. The functions that need them read files.

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

# One run for all assertions on the default plan, because each run loads the whole provider schema.
run "default_plan" {
  command = plan

  # Each credential is mounted at the path in the environment.
  assert {
    condition = alltrue([for key, service in local.all_services : !local.functions[key].credentials || toset([
      for env in service.template[0].containers[0].env : env.value if startswith(env.name, "GMAIL_") && endswith(env.name, "_FILE")
      ]) == toset(flatten([
        for mount in service.template[0].containers[0].volume_mounts : [
          for volume in service.template[0].volumes : "${mount.mount_path}/${volume.secret[0].items[0].path}" if volume.name == mount.name && length(volume.secret) > 0
        ]
    ]))])
    error_message = "The environment variables must name the mounted files."
  }
  assert {
    condition = { for volume in google_cloud_run_v2_service.function["poll"].template[0].volumes : volume.name => "${volume.secret[0].secret}:${volume.secret[0].items[0].version}" if length(volume.secret) > 0 } == {
      client-id = "email-monitor-gmail-client-id:latest", client-secret = "email-monitor-gmail-client-secret:latest", refresh-token = "email-monitor-gmail-refresh-token:latest"
    }
    error_message = "Each folder must contain its own secret in the latest version."
  }

  # Only functions that need the credentials can read them.
  assert {
    condition     = [for key, service in local.all_services : key if length([for volume in service.template[0].volumes : volume if length(volume.secret) > 0]) == 0] == ["migrate", "status"]
    error_message = "Exactly the functions that call Gmail must mount the credentials."
  }
  assert {
    condition     = toset([for grant in google_secret_manager_secret_iam_member.function_reads : "${grant.secret_id} ${grant.member} ${grant.role}"]) == toset([for pair in setproduct(["client-id", "client-secret", "refresh-token"], ["ingest", "control", "console"]) : "email-monitor-gmail-${pair[0]} serviceAccount:email-monitor-${pair[1]}@orders-example.iam.gserviceaccount.com roles/secretmanager.secretAccessor"])
    error_message = "Exactly the functions that mount a secret may read it."
  }

  # No environment contains a credential.
  assert {
    condition     = alltrue(flatten([for service in local.all_services : [for env in service.template[0].containers[0].env : !contains(["GMAIL_CLIENT_ID", "GMAIL_CLIENT_SECRET", "GMAIL_REFRESH_TOKEN", "DATABASE_URL"], env.name) && length(env.value_source) == 0]]))
    error_message = "An environment variable with a secret is visible in the Cloud console and does not change while an instance runs."
  }

  # The first version counts as no credential, and Terraform deletes no version.
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : trimspace(version.secret_data) == "" && version.secret_data != ""])
    error_message = "The first version must exist and count as no credential."
  }
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : version.deletion_policy == "ABANDON"])
    error_message = "Terraform must not delete versions."
  }
}

run "outputs_contain_no_secret" {
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
}
