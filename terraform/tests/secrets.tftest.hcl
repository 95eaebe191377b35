# The credentials: never in a variable, an environment or an output; read as files by those who need them.

mock_provider "archive" {
  source = "./tests/mocks"
}

mock_provider "google" {
  source = "./tests/mocks"
}

variables {
  project_id = "orders-example"
}

# All of what a plan without any wish shows, in one: each run costs the reading of the whole schema.
run "plans_what_is_meant_when_nothing_is_wished" {
  command = plan

  # Mounts each credential where the environment says.
  assert {
    condition = alltrue([for key, service in google_cloud_run_v2_service.function : !local.functions[key].credentials || toset([
      for env in service.template[0].containers[0].env : env.value if startswith(env.name, "GMAIL_") && endswith(env.name, "_FILE")
      ]) == toset(flatten([
        for mount in service.template[0].containers[0].volume_mounts : [
          for volume in service.template[0].volumes : "${mount.mount_path}/${volume.secret[0].items[0].path}" if volume.name == mount.name && length(volume.secret) > 0
        ]
    ]))])
    error_message = "The variables must name the files that are mounted."
  }
  assert {
    condition = { for volume in google_cloud_run_v2_service.function["poll"].template[0].volumes : volume.name => "${volume.secret[0].secret}:${volume.secret[0].items[0].version}" if length(volume.secret) > 0 } == {
      client-id = "email-monitor-gmail-client-id:latest", client-secret = "email-monitor-gmail-client-secret:latest", refresh-token = "email-monitor-gmail-refresh-token:latest"
    }
    error_message = "Each folder must hold its own secret, in its newest version."
  }

  # Shows the credentials to those who need them.
  assert {
    condition     = [for key, service in google_cloud_run_v2_service.function : key if length([for volume in service.template[0].volumes : volume if length(volume.secret) > 0]) == 0] == ["migrate"]
    error_message = "migrate has no business with the mailbox; all others say how it stands."
  }
  assert {
    condition     = toset([for grant in google_secret_manager_secret_iam_member.function_reads : "${grant.secret_id} ${grant.member} ${grant.role}"]) == toset([for pair in setproduct(["client-id", "client-secret", "refresh-token"], ["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"]) : "email-monitor-gmail-${pair[0]} serviceAccount:email-monitor-${pair[1]}@orders-example.iam.gserviceaccount.com roles/secretmanager.secretAccessor"])
    error_message = "Exactly those who mount a secret may read it."
  }

  # Puts no credential into an environment.
  assert {
    condition     = alltrue(flatten([for service in google_cloud_run_v2_service.function : [for env in service.template[0].containers[0].env : !contains(["GMAIL_CLIENT_ID", "GMAIL_CLIENT_SECRET", "GMAIL_REFRESH_TOKEN", "DATABASE_URL"], env.name) && length(env.value_source) == 0]]))
    error_message = "A secret in a variable stands in the console and stays as it was at the start."
  }

  # Begins with a version that counts as none and deletes none.
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : trimspace(version.secret_data) == "" && version.secret_data != ""])
    error_message = "The first version must count as none, and be there."
  }
  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.empty : version.deletion_policy == "ABANDON"])
    error_message = "Terraform must delete no version."
  }
}

run "tells_no_secret_in_its_outputs" {
  assert {
    condition     = !can(regex("(?i)secret_data|password", jsonencode([output.builds, output.next_commands, output.urls])))
    error_message = "Outputs are printed and stored: no secret belongs there."
  }
  assert {
    condition     = strcontains(output.next_commands, "gcloud secrets versions add email-monitor-gmail-refresh-token --project orders-example --data-file=-")
    error_message = "The credentials must go in over standard input, which no list of processes shows."
  }
  assert {
    condition     = output.urls == { for key, service in google_cloud_run_v2_service.function : key => service.uri } && output.migrate_url == google_cloud_run_v2_service.function["migrate"].uri && output.status_url == google_cloud_run_v2_service.function["status"].uri
    error_message = "The deploy command must find each function under its name."
  }
  assert {
    condition     = [output.project_id, output.region, output.name] == ["orders-example", "europe-west1", "email-monitor"]
    error_message = "The deploy command must learn which deployment this is."
  }
}
