# The required APIs. cloudresourcemanager and serviceusage must be enabled before Terraform can enable these: see README.md.

resource "google_project_service" "required" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudscheduler.googleapis.com",
    "gmail.googleapis.com",
    "iam.googleapis.com",
    # To deploy or operate as a service account, the caller requests tokens from this API.
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "sqladmin.googleapis.com",
    "storage.googleapis.com",
  ])

  project = var.project_id
  service = each.value
  # Other users of the project may need these APIs, so destroying the deployment leaves them enabled.
  disable_on_destroy = false
}

# For the project number, which is part of the names of Google's service agents.
data "google_project" "this" {
  project_id = var.project_id
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}
