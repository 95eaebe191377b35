# Input variables: which mail is fetched, how often, and what is kept of it.

variable "attachments_bucket" {
  description = "Whether large attachments and raw emails are stored in a bucket of Cloud Storage instead of the database. Before you set it back to false, move the bytes back with `npm run storage`."
  type        = bool
  default     = false
}

variable "attachments_min_bytes" {
  description = "Size in bytes from which attachments and raw emails go to the bucket."
  type        = number
  default     = 262144

  validation {
    condition     = var.attachments_min_bytes >= 1024 && var.attachments_min_bytes <= 52428800 && floor(var.attachments_min_bytes) == var.attachments_min_bytes
    error_message = "attachments_min_bytes must be a whole number from 1024 to 52428800."
  }
}

variable "gmail_delegation" {
  description = "Whether a service account without keys can read the mailboxes of a Workspace domain. An administrator must allow it: see the output gmail_delegation."
  type        = bool
  default     = false
}

variable "gmail_initial_query" {
  description = "Gmail search for the existing emails that the first start imports."
  type        = string
  default     = "in:inbox is:unread"

  validation {
    condition     = trimspace(var.gmail_initial_query) != ""
    error_message = "gmail_initial_query must not be empty: an empty search would import the whole mailbox."
  }
}

variable "gmail_label_id" {
  description = "Name or id of the Gmail label that emails must have. Empty: all received emails."
  type        = string
  default     = ""
}

variable "gmail_project_quota_units_per_minute" {
  description = "Gmail quota of the project, in units per minute. Lower it when several deployments share the project, so that their sum stays within Google's 1200000."
  type        = number
  default     = 1200000

  validation {
    condition     = var.gmail_project_quota_units_per_minute >= 6000 && floor(var.gmail_project_quota_units_per_minute) == var.gmail_project_quota_units_per_minute
    error_message = "gmail_project_quota_units_per_minute must be a whole number of at least 6000."
  }
}

variable "gmail_quota_units_per_minute" {
  description = "Gmail quota of each mailbox, in units per minute. 6000 for projects created since May 2026."
  type        = number
  default     = 6000

  validation {
    condition     = var.gmail_quota_units_per_minute >= 40 && var.gmail_quota_units_per_minute <= 1200000 && floor(var.gmail_quota_units_per_minute) == var.gmail_quota_units_per_minute
    error_message = "gmail_quota_units_per_minute must be a whole number from 40 to 1200000."
  }
}

variable "gmail_settle_seconds" {
  description = "Seconds after which a history listing is considered complete."
  type        = number
  default     = 90

  validation {
    condition     = var.gmail_settle_seconds >= 0 && var.gmail_settle_seconds <= 3600 && floor(var.gmail_settle_seconds) == var.gmail_settle_seconds
    error_message = "gmail_settle_seconds must be a whole number from 0 to 3600."
  }
}

variable "mailbox_instances" {
  description = "Maximum number of instances of ingest-mailbox, each of which synchronizes four mailboxes at once. 0: poll works on the mailboxes itself, which suffices for a few."
  type        = number
  default     = 0

  validation {
    condition     = var.mailbox_instances >= 0 && var.mailbox_instances <= 100 && floor(var.mailbox_instances) == var.mailbox_instances
    error_message = "mailbox_instances must be a whole number from 0 to 100."
  }
}

variable "poll_interval_seconds" {
  description = "Seconds between two polls, a multiple of 60, because the scheduler job runs every minute."
  type        = number
  default     = 60

  validation {
    condition     = var.poll_interval_seconds >= 60 && var.poll_interval_seconds <= 86400 && var.poll_interval_seconds % 60 == 0
    error_message = "poll_interval_seconds must be a multiple of 60 from 60 to 86400: the scheduler job runs every minute."
  }
}

variable "publish_emails" {
  description = "Whether each stored email is announced on a Pub/Sub topic. Emails that were stored before are not announced."
  type        = bool
  default     = false
}

variable "push" {
  description = "Whether Gmail announces new email through Pub/Sub. Set to false where the organization forbids gmail-api-push@system.gserviceaccount.com: polling then finds new email, up to one poll interval later."
  type        = bool
  default     = true
}

variable "retention_days" {
  description = "Days after which the content of an email is erased, if all consumers have completed it. Null: never."
  type        = number
  default     = null

  validation {
    condition     = var.retention_days == null ? true : var.retention_days >= 1 && var.retention_days <= 36500 && floor(var.retention_days) == var.retention_days
    error_message = "retention_days must be null or a whole number from 1 to 36500."
  }
}

variable "run_budget_seconds" {
  description = "Seconds that one invocation works before the next one continues. The timeouts are derived from it."
  type        = number
  default     = 50

  # Pub/Sub waits at most ten minutes, and its deadline is one minute longer than the budget.
  validation {
    condition     = var.run_budget_seconds >= 10 && var.run_budget_seconds <= 540 && floor(var.run_budget_seconds) == var.run_budget_seconds
    error_message = "run_budget_seconds must be a whole number from 10 to 540."
  }
}
