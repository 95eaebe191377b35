# Input variables: which mail is fetched, how often, and what is kept of it.

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
  description = "Id (not the name) of the Gmail label that emails must have. Empty: all received emails."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[^ ]*$", var.gmail_label_id))
    error_message = "gmail_label_id must be the id of a label, which contains no spaces, not its name."
  }
}

variable "gmail_quota_units_per_minute" {
  description = "Gmail quota of the mailbox, in units per minute. 6000 for projects created since May 2026."
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
