# Identity-Aware Proxy in front of the console (`iap`): a browser logs in with a Google account. The console also checks the
# proxy's signed header (IAP_AUDIENCE). functions.tf turns the proxy on at the service.

locals {
  iap_audience = "/projects/${data.google_project.this.number}/locations/${var.region}/services/${var.name}-console"
  iap_agent    = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-iap.iam.gserviceaccount.com"
}

# Google creates the account of the proxy at its first use, and IAM rejects a grant to an account that does not exist. The
# provider cannot create it, so a command of this project does.
resource "terraform_data" "iap_agent" {
  count = var.iap ? 1 : 0

  triggers_replace = [data.google_project.this.number]

  provisioner "local-exec" {
    command     = "npm run -s service-agent -- --project ${var.project_id} --service iap.googleapis.com"
    working_dir = "${path.module}/.."
  }

  depends_on = [time_sleep.apis]
}

# The proxy calls the console as its own account.
resource "google_cloud_run_v2_service_iam_member" "iap_agent" {
  count = var.iap ? 1 : 0

  project  = var.project_id
  location = google_cloud_run_v2_service.function["console"].location
  name     = google_cloud_run_v2_service.function["console"].name
  role     = "roles/run.invoker"
  member   = local.iap_agent

  depends_on = [terraform_data.iap_agent]
}

# The proxy lets only operators through.
resource "google_iap_web_cloud_run_service_iam_member" "operator" {
  for_each = var.iap ? var.operators : []

  project                = var.project_id
  location               = google_cloud_run_v2_service.function["console"].location
  cloud_run_service_name = google_cloud_run_v2_service.function["console"].name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = each.value
}
