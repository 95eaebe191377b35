# Input variables: recipients and thresholds of the alerts.

variable "alert_connections_percent" {
  description = "Share of the database connections in use, in percent, above which an alert is sent. The functions use at most 70."
  type        = number
  default     = 80

  validation {
    condition     = var.alert_connections_percent > 0 && var.alert_connections_percent < 100
    error_message = "alert_connections_percent must be above 0 and below 100."
  }
}

variable "alert_disk_percent" {
  description = "Share of database_disk_limit_gb in use, in percent, above which an alert is sent."
  type        = number
  default     = 85

  validation {
    condition     = var.alert_disk_percent > 0 && var.alert_disk_percent < 100
    error_message = "alert_disk_percent must be above 0 and below 100."
  }
}

variable "alert_emails" {
  description = "Email addresses that receive the alerts. Null: the users and groups among operators. Each plan warns while there is no recipient."
  type        = set(string)
  default     = null

  validation {
    condition     = var.alert_emails == null ? true : alltrue([for address in var.alert_emails : can(regex("^[^@:[:space:]]+@[^@:[:space:]]+$", address))])
    error_message = "alert_emails must contain plain email addresses such as ops@example.com, without a \"user:\" prefix."
  }
}

variable "alert_live_waiting_seconds" {
  description = "Seconds that a live email may wait to be fetched before an alert is sent."
  type        = number
  default     = 900

  validation {
    condition     = var.alert_live_waiting_seconds >= 60 && floor(var.alert_live_waiting_seconds) == var.alert_live_waiting_seconds
    error_message = "alert_live_waiting_seconds must be a whole number of at least 60: an email that is fetched within a minute is not late."
  }
}

variable "alert_stored_within_seconds" {
  description = "Seconds from Gmail's acceptance of an email to its commit. An alert is sent when the 95th percentile over runs with live mail is above."
  type        = number
  default     = 60

  validation {
    condition     = var.alert_stored_within_seconds >= 1 && var.alert_stored_within_seconds <= 86400
    error_message = "alert_stored_within_seconds must be between 1 and 86400."
  }
}

variable "alert_watch_remaining_seconds" {
  description = "Seconds before Gmail's watch expires at which an alert is sent. poll renews the watch daily, six days before it expires."
  type        = number
  default     = 86400

  validation {
    condition     = var.alert_watch_remaining_seconds >= 3600 && var.alert_watch_remaining_seconds < 518400 && floor(var.alert_watch_remaining_seconds) == var.alert_watch_remaining_seconds
    error_message = "alert_watch_remaining_seconds must be a whole number from 3600 to 518399: poll renews the watch six days before it expires, so an earlier alert would be sent with each renewal."
  }
}

variable "consumer_max_wait_seconds" {
  description = "Seconds that an email may wait for a consumer of the queue before an alert is sent and status gives advice. Counts from when it was queued until it is completed."
  type        = number
  default     = 3600

  validation {
    condition     = var.consumer_max_wait_seconds >= 60 && var.consumer_max_wait_seconds <= 2592000 && floor(var.consumer_max_wait_seconds) == var.consumer_max_wait_seconds
    error_message = "consumer_max_wait_seconds must be a whole number from 60 to 2592000."
  }
}

variable "notification_channels" {
  description = "Existing notification channels (chat, paging) in addition to alert_emails: projects/P/notificationChannels/N."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "notification_channels must contain full names such as projects/P/notificationChannels/N. List them with `gcloud beta monitoring channels list`."
  }
}
