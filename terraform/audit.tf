# Audit logs of data access, which Google Cloud does not write by default: who read a credential (AccessSecretVersion), logged
# in to the database, exported it or changed its users. Changes of secrets and instances are always logged.

# Sets the whole audit configuration of a service in the project, so it replaces exemptions that someone else configured, and
# a destroy of one deployment ends these logs for another in the same project.
resource "google_project_iam_audit_config" "data_access" {
  for_each = var.audit_logs ? toset(["cloudsql.googleapis.com", "secretmanager.googleapis.com"]) : []

  project = var.project_id
  service = each.value

  audit_log_config {
    log_type = "DATA_READ"
  }
  audit_log_config {
    log_type = "DATA_WRITE"
  }
}
