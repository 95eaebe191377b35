# Input variables of the deployment as a whole. Only project_id is required; terraform.tfvars.example shows the others.
# The other variables are in variables-access.tf, variables-alerts.tf, variables-database.tf and variables-mail.tf.

variable "audit_logs" {
  description = "Whether Secret Manager and Cloud SQL log who reads and writes data. Sets the whole audit configuration of these two services in the project. False: leaves it as it is."
  type        = bool
  default     = true
}

variable "build_region" {
  description = "Region in which Cloud Build builds the image. Null: var.region. Some regions are closed to the builds of new projects."
  type        = string
  default     = null

  validation {
    condition     = var.build_region == null ? true : can(regex("^[a-z]+-[a-z]+[0-9]+$", var.build_region))
    error_message = "build_region must be a region such as europe-west1, not a zone."
  }
}

variable "deletion_protection" {
  description = "Whether the database, the credentials and the services are protected from deletion. To destroy them, apply with false first."
  type        = bool
  default     = true
}

variable "image" {
  description = "Image of the functions, built by another deployment or by an earlier apply. Null: it is built from dist/."
  type        = string
  default     = null

  validation {
    condition     = var.image == null ? true : can(regex("^[a-z0-9-]+-docker[.]pkg[.]dev/[^/ ]+/[^/ ]+/[^: ]+(:[A-Za-z0-9._-]+|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must be an image of Artifact Registry with a tag or a digest, such as europe-west1-docker.pkg.dev/my-project/email-monitor/functions:0123456789abcdef."
  }
}

variable "kms_key" {
  description = "Cloud KMS key that encrypts the database, the credentials, the attachments, the topics, the source and the images. Null: keys that Google manages. README.md lists who needs to use the key."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null ? true : can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must have the form projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version."
  }
  validation {
    condition     = var.kms_key == null ? true : try(split("/", var.kms_key)[3] == var.region, true)
    error_message = "kms_key must be in the region of the deployment: Cloud SQL, the bucket and the image repository accept only such a key."
  }
}

variable "labels" {
  description = "Labels for all resources, in addition to app, which is var.name."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Keys and values of labels may contain lowercase letters, digits, _ and -, at most 63 characters. A key must start with a letter."
  }
}

variable "log_level" {
  description = "Minimum level of log lines: info, or debug for more."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info"], var.log_level)
    error_message = "log_level must be debug or info: above info no run writes its run_finished line, and the alerts depend on it."
  }
}

variable "max_instances" {
  description = "Maximum number of instances per function, by function name, to override locals.tf. Each instance uses database connections."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for key, count in var.max_instances : contains(["poll", "gmail-push", "poll-now", "status", "start", "stop", "console", "attachment-url"], key) && count >= 1 && count <= 100 && floor(count) == count])
    error_message = "max_instances takes whole numbers from 1 to 100 for poll, gmail-push, poll-now, status, start, stop, console and attachment-url. mailbox_instances is that of ingest-mailbox. migrate always has one: two migrations would wait for each other."
  }
}

variable "name" {
  description = "Name of the deployment and prefix of all resource names."
  type        = string
  default     = "email-monitor"

  # The longest user name is NAME-gmail-push@PROJECT.iam. PostgreSQL allows 63 characters, and a project id has up to 30.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 17 lowercase letters, digits and hyphens, and start with a letter. It is part of the database user names, which are limited to 63 characters."
  }
}

variable "project_id" {
  description = "Google Cloud project for all resources. Push requires it to be the project of the OAuth client."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be the id of a project (6 to 30 lowercase letters, digits and hyphens), not its number or display name."
  }
  # This id belongs to another project, so Google would only report that access is denied.
  validation {
    condition     = var.project_id != "my-project"
    error_message = "project_id still has the value of terraform.tfvars.example. Set it to the id of your project."
  }
}

variable "region" {
  description = "Region of all resources, such as europe-west1. Cloud Run, Cloud SQL and Cloud Scheduler must be available there."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^(africa|asia|australia|europe|me|northamerica|southamerica|us)-(central|(north|south)?(east|west)|north|south)[1-9][0-9]?$", var.region))
    error_message = "region must be a Google Cloud region such as europe-west1 or us-central1: not a zone (europe-west1-b), not a multi-region (eu) and not \"global\"."
  }
}

variable "secret_locations" {
  description = "Regions in which Secret Manager keeps the credentials, for organizations that restrict locations. Empty: Google chooses, or with kms_key the region. Cannot be changed later."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for location in var.secret_locations : can(regex("^[a-z]+-[a-z]+[0-9]+$", location))])
    error_message = "Each entry of secret_locations must be a region such as europe-west1."
  }
  validation {
    condition     = var.kms_key == null || length(setsubtract(var.secret_locations, [var.region])) == 0
    error_message = "With kms_key, secret_locations can only contain the region of the deployment: a key encrypts only in its own location."
  }
}
