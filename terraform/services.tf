# The required APIs, and the two pauses that a first apply needs. cloudresourcemanager and serviceusage must be enabled
# before Terraform can enable these: see README.md.

locals {
  apis = setunion(
    [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudscheduler.googleapis.com",
      "gmail.googleapis.com",
      "iam.googleapis.com",
      # To deploy or operate as a service account, the caller requests tokens from this API. The functions sign with it.
      "iamcredentials.googleapis.com",
      "logging.googleapis.com",
      "monitoring.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "sqladmin.googleapis.com",
      "storage.googleapis.com",
    ],
    var.push || var.publish_emails || local.fan_out ? ["pubsub.googleapis.com"] : [],
    var.iap ? ["iap.googleapis.com"] : [],
  )
}

resource "google_project_service" "required" {
  for_each = local.apis

  project = var.project_id
  service = each.value
  # Other users of the project may need these APIs, so destroying the deployment leaves them enabled.
  disable_on_destroy = false
}

# An API that was just enabled answers 403 SERVICE_DISABLED for a while, which the provider does not retry. Resources
# therefore depend on this pause instead of the APIs. It takes place once, and again when an API is added.
# https://registry.terraform.io/providers/hashicorp/google/latest/docs/guides/google_project_service
resource "time_sleep" "apis" {
  create_duration = "120s"
  triggers        = { services = join(" ", local.apis) }

  depends_on = [google_project_service.required]
}

# Cloud Run rejects a revision whose account cannot read its secrets, and a new grant takes about two minutes to take
# effect everywhere. The database takes longer to create, so this pause does not prolong a first apply.
# https://cloud.google.com/iam/docs/access-change-propagation
resource "time_sleep" "grants" {
  create_duration = "120s"
  triggers        = { functions = join(" ", keys(local.functions)) }

  depends_on = [
    google_project_iam_member.cloudsql,
    google_secret_manager_secret_iam_member.function_reads,
  ]
}

# For the project number, which is part of the names of Google's service agents.
data "google_project" "this" {
  project_id = var.project_id
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
