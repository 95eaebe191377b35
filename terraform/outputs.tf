# What `npm run deploy` and a person read. No secret is among it.

output "builds" {
  description = "What to build before the services: the parent and the bodies of projects.locations.builds.submit, by function."
  value       = terraform_data.build.output
}

output "database_instance" {
  description = "Connection name of the database, as connectors take it."
  value       = local.instance_connection_name
}

output "migrate_url" {
  description = "POST: brings the schema and the grants up to date."
  value       = google_cloud_run_v2_service.function["migrate"].uri
}

output "name" {
  description = "Name of the deployment."
  value       = var.name
}

output "next_commands" {
  description = "What a person does after the first deployment."
  value       = <<-EOT
    Put the credentials of the mailbox in (npm run authorize obtains them):
      printf %s "$GMAIL_CLIENT_ID"     | gcloud secrets versions add ${google_secret_manager_secret.credential["client-id"].secret_id} --project ${var.project_id} --data-file=-
      printf %s "$GMAIL_CLIENT_SECRET" | gcloud secrets versions add ${google_secret_manager_secret.credential["client-secret"].secret_id} --project ${var.project_id} --data-file=-
      printf %s "$GMAIL_REFRESH_TOKEN" | gcloud secrets versions add ${google_secret_manager_secret.credential["refresh-token"].secret_id} --project ${var.project_id} --data-file=-
    Turn the monitor on:
      curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${google_cloud_run_v2_service.function["start"].uri}
    Look how it is:
      curl -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${google_cloud_run_v2_service.function["status"].uri}
  EOT
}

output "project_id" {
  description = "The project of Google Cloud."
  value       = var.project_id
}

output "region" {
  description = "The region of everything."
  value       = var.region
}

output "status_url" {
  description = "GET: how the monitor is."
  value       = google_cloud_run_v2_service.function["status"].uri
}

output "urls" {
  description = "URL of each function, by its name."
  value       = { for key, service in google_cloud_run_v2_service.function : key => service.uri }
}
