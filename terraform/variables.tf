# What a person may decide. Only project_id must be given; terraform.tfvars.example shows the others.

variable "alert_connections_percent" {
  description = "Share of the database's connections, percent, above which somebody is woken. The functions use 70 at most."
  type        = number
  default     = 80

  validation {
    condition     = var.alert_connections_percent > 0 && var.alert_connections_percent < 100
    error_message = "alert_connections_percent is a share in percent: above 0 and below 100."
  }
}

variable "alert_disk_percent" {
  description = "Share of database_disk_limit_gb, percent, above which somebody is woken."
  type        = number
  default     = 85

  validation {
    condition     = var.alert_disk_percent > 0 && var.alert_disk_percent < 100
    error_message = "alert_disk_percent is a share in percent: above 0 and below 100."
  }
}

variable "alert_emails" {
  description = "Addresses that are woken. Null: the users and groups among operators."
  type        = set(string)
  default     = null

  validation {
    condition     = var.alert_emails == null ? true : alltrue([for address in var.alert_emails : can(regex("^[^@:[:space:]]+@[^@:[:space:]]+$", address))])
    error_message = "alert_emails holds plain addresses: ops@example.com, without \"user:\" before it."
  }
}

variable "alert_live_waiting_seconds" {
  description = "Seconds that live mail may wait for its fetch before somebody is woken."
  type        = number
  default     = 900

  validation {
    condition     = var.alert_live_waiting_seconds >= 60 && floor(var.alert_live_waiting_seconds) == var.alert_live_waiting_seconds
    error_message = "alert_live_waiting_seconds is a whole number of 60 or more: a mail that is fetched in this minute waits for nobody."
  }
}

variable "alert_stored_within_seconds" {
  description = "Seconds from Gmail's acceptance of a mail to its commit, above which (for 95 % of the runs with live mail) somebody is told."
  type        = number
  default     = 60

  validation {
    condition     = var.alert_stored_within_seconds >= 1 && var.alert_stored_within_seconds <= 86400
    error_message = "alert_stored_within_seconds lies between 1 and 86400."
  }
}

variable "alert_watch_remaining_seconds" {
  description = "Seconds before the end of Gmail's watch at which an alert is sent. Poll renews it daily, six days before its end."
  type        = number
  default     = 86400

  validation {
    condition     = var.alert_watch_remaining_seconds >= 3600 && var.alert_watch_remaining_seconds < 518400 && floor(var.alert_watch_remaining_seconds) == var.alert_watch_remaining_seconds
    error_message = "alert_watch_remaining_seconds is a whole number from 3600 to below 518400: the watch is renewed six days before its end, and an earlier alert would come with each renewal."
  }
}

variable "consumers" {
  description = "E-mails of the service accounts of the next phase, which read what is stored and mark it processed. Each becomes a user of the database."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.consumers : can(regex("^[^@ ]+@[^@ ]+\\.gserviceaccount\\.com$", email))])
    error_message = "Each of consumers must be the e-mail of a service account, as in orders@my-project.iam.gserviceaccount.com."
  }
}

variable "database_availability" {
  description = "ZONAL (one zone, cheaper; an outage of the zone delays mail, it loses none) or REGIONAL (a standby in a second zone)."
  type        = string
  default     = "ZONAL"

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability)
    error_message = "database_availability must be ZONAL or REGIONAL."
  }
}

variable "database_disk_limit_gb" {
  description = "Size up to which the disk of the database grows by itself, in GB; 0 is without limit."
  type        = number
  default     = 100

  validation {
    condition     = var.database_disk_limit_gb == 0 || (var.database_disk_limit_gb >= 10 && floor(var.database_disk_limit_gb) == var.database_disk_limit_gb)
    error_message = "database_disk_limit_gb must be 0 or a whole number of at least 10, the size that the disk begins with."
  }
}

variable "database_retained_backups" {
  description = "Daily backups that are kept, as a number of backups."
  type        = number
  default     = 14

  validation {
    condition     = var.database_retained_backups >= 7 && var.database_retained_backups <= 365
    error_message = "database_retained_backups must be from 7 (as far back as point-in-time recovery reaches) to 365."
  }
}

variable "database_tier" {
  description = "Machine type of the database. It decides how many connections there are: see database_max_connections in locals.tf."
  type        = string
  default     = "db-g1-small"

  validation {
    condition     = contains(["db-f1-micro", "db-g1-small", "db-custom-1-3840", "db-custom-2-7680", "db-custom-4-15360"], var.database_tier)
    error_message = "database_tier must be one whose number of connections is known: db-f1-micro, db-g1-small, db-custom-1-3840, db-custom-2-7680 or db-custom-4-15360."
  }
}

variable "deletion_protection" {
  description = "Whether the database, the credentials and the services refuse to be destroyed. Apply with false first to destroy them."
  type        = bool
  default     = true
}

variable "deployers" {
  description = "Members who may call migrate, as IAM names them (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.deployers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each of deployers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:...; nothing is public."
  }
}

variable "gmail_initial_query" {
  description = "What the first start takes of the mail that is already there, as a Gmail search."
  type        = string
  default     = "in:inbox is:unread"

  validation {
    condition     = trimspace(var.gmail_initial_query) != ""
    error_message = "gmail_initial_query must not be empty: an empty search would take the whole mailbox."
  }
}

variable "gmail_label_id" {
  description = "Id (not the name) of the Gmail label that mail must carry; empty for all received mail."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[^ ]*$", var.gmail_label_id))
    error_message = "gmail_label_id must be a label's id, which holds no space; its name is something else."
  }
}

variable "gmail_quota_units_per_minute" {
  description = "Gmail's budget for the mailbox, in quota units a minute. 6000 for projects made since May 2026."
  type        = number
  default     = 6000

  validation {
    condition     = var.gmail_quota_units_per_minute >= 40 && var.gmail_quota_units_per_minute <= 1200000 && floor(var.gmail_quota_units_per_minute) == var.gmail_quota_units_per_minute
    error_message = "gmail_quota_units_per_minute must be a whole number from 40 to 1200000."
  }
}

variable "gmail_settle_seconds" {
  description = "Seconds until the end of a history listing counts as complete."
  type        = number
  default     = 90

  validation {
    condition     = var.gmail_settle_seconds >= 0 && var.gmail_settle_seconds <= 3600 && floor(var.gmail_settle_seconds) == var.gmail_settle_seconds
    error_message = "gmail_settle_seconds must be a whole number from 0 to 3600."
  }
}

variable "labels" {
  description = "Labels that everything carries beside app, which is var.name."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Keys and values of labels hold small letters, digits, _ and -, at most 63; a key begins with a letter."
  }
}

variable "log_level" {
  description = "From which level on the functions write: info, or debug for more."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["debug", "info"], var.log_level)
    error_message = "log_level must be debug or info: above info no run writes its run_finished line, and every alert hangs on it."
  }
}

variable "max_instances" {
  description = "Instances that a function may have at once, by its name, where it should differ from locals.tf. Each costs connections of the database."
  type        = map(number)
  default     = {}

  validation {
    condition     = alltrue([for key, count in var.max_instances : contains(["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"], key) && count >= 1 && count <= 100 && floor(count) == count])
    error_message = "max_instances takes whole numbers from 1 to 100 for poll, gmail-push, poll-now, status, start, stop and console. migrate has one: two at a time would wait for each other."
  }
}

variable "name" {
  description = "Name of the deployment, the beginning of every resource's name."
  type        = string
  default     = "email-monitor"

  # The longest account is NAME-gmail-push@PROJECT.iam: PostgreSQL takes 63 characters of it, a project has up to 30.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,15}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 17 small letters, digits and hyphens, and begin with a letter: the accounts of the functions carry it, and the database takes 63 characters of theirs."
  }
}

variable "notification_channels" {
  description = "Notification channels that exist already (chat, paging), beside the addresses of alert_emails: projects/P/notificationChannels/N."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "notification_channels holds full names: projects/P/notificationChannels/N, as `gcloud beta monitoring channels list` shows them."
  }
}

variable "operators" {
  description = "Members who may look and switch (status, start, stop, poll-now, console), as IAM names them (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each of operators must be user:..., group:..., serviceAccount:..., principal:... or principalSet:...; nothing is public."
  }
}

variable "poll_interval_seconds" {
  description = "Seconds between two polls: whole minutes, because the scheduler job ticks every minute."
  type        = number
  default     = 60

  validation {
    condition     = var.poll_interval_seconds >= 60 && var.poll_interval_seconds <= 86400 && var.poll_interval_seconds % 60 == 0
    error_message = "poll_interval_seconds must be a multiple of 60 from 60 to 86400: the scheduler job ticks every minute."
  }
}

variable "project_id" {
  description = "The project of Google Cloud that everything is made in. Push needs it to be the project of the OAuth client."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id (6 to 30 small letters, digits and hyphens), not its number or its display name."
  }
  # Somebody else's project has that name, and Google would only say that access is denied.
  validation {
    condition     = var.project_id != "my-project"
    error_message = "project_id still stands as in terraform.tfvars.example: put the id of your own project there."
  }
}

variable "region" {
  description = "Region of everything, such as europe-west1. Cloud Scheduler must exist there."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1, not a zone."
  }
}

variable "run_budget_seconds" {
  description = "Seconds that one invocation works before it hands over to the next. The timeouts follow from it."
  type        = number
  default     = 50

  # Pub/Sub waits ten minutes at most, and the deadlines lie a minute above the budget.
  validation {
    condition     = var.run_budget_seconds >= 10 && var.run_budget_seconds <= 540 && floor(var.run_budget_seconds) == var.run_budget_seconds
    error_message = "run_budget_seconds must be a whole number from 10 to 540."
  }
}

variable "viewers" {
  description = "Members who may call status, as IAM names them (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.viewers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each of viewers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:...; nothing is public."
  }
}
