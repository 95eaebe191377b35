# Outputs for `npm run deploy` and for operators. They contain no secrets.

output "attachments_bucket" {
  description = "Bucket of large attachments and raw emails; null without attachments_bucket."
  value       = one(google_storage_bucket.attachments[*].name)
}

output "database_instance" {
  description = "Connection name of the database instance, as Cloud SQL connectors expect it."
  value       = local.instance_connection_name
}

output "email_subscriptions" {
  description = "Pub/Sub subscriptions for stored emails, by service account."
  value       = { for key, email in local.email_subscribers : email => google_pubsub_subscription.emails[key].id }
}

output "emails_topic" {
  description = "Pub/Sub topic for stored emails; null without publish_emails."
  value       = one(google_pubsub_topic.emails[*].id)
}

output "gmail_delegation" {
  description = "What a Workspace administrator enters to allow domain-wide delegation, and where; null without gmail_delegation."
  value = one([for account in google_service_account.gmail : {
    client_id       = account.unique_id
    scope           = "https://www.googleapis.com/auth/gmail.readonly"
    service_account = local.gmail_delegation_email
    where           = "admin.google.com: Security > Access and data control > API controls > Manage Domain Wide Delegation > Add new"
  }])
}

output "image" {
  description = "The image that the functions run. To return to it later, set the variable image to this value."
  value       = local.image
}

output "mailbox_secrets" {
  description = "Prefix of the secrets with the credentials of the other mailboxes, GMAIL_MAILBOX_SECRETS."
  value       = local.fetching_environment.GMAIL_MAILBOX_SECRETS
}

output "name" {
  description = "Name of the deployment."
  value       = var.name
}

output "next_commands" {
  description = "Commands to run after the first deployment."
  value       = <<-EOT
    Store the credentials of the mailbox (npm run authorize obtains them):
      printf %s "$GMAIL_CLIENT_ID"     | gcloud secrets versions add ${google_secret_manager_secret.credential["client-id"].secret_id} --project ${var.project_id} --data-file=-
      printf %s "$GMAIL_CLIENT_SECRET" | gcloud secrets versions add ${google_secret_manager_secret.credential["client-secret"].secret_id} --project ${var.project_id} --data-file=-
      printf %s "$GMAIL_REFRESH_TOKEN" | gcloud secrets versions add ${google_secret_manager_secret.credential["refresh-token"].secret_id} --project ${var.project_id} --data-file=-
    Start the monitor:
      curl -X POST -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${google_cloud_run_v2_service.function["start"].uri}
    Check its status:
      curl -H "Authorization: Bearer $(gcloud auth print-identity-token)" ${google_cloud_run_v2_service.function["status"].uri}
  EOT
}

output "project_id" {
  description = "Google Cloud project id."
  value       = var.project_id
}

output "region" {
  description = "Region of all resources."
  value       = var.region
}

output "status_url" {
  description = "URL of status. GET returns the status of the monitor."
  value       = google_cloud_run_v2_service.function["status"].uri
}

output "urls" {
  description = "URLs of the functions, by function name."
  value       = { for key, service in local.all_services : key => service.uri }
}
