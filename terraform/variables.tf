# Input variables. Only project_id is required; terraform.tfvars.example shows the others.

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

variable "consumer_max_wait_seconds" {
  description = "Seconds that an email may wait for a consumer of the queue before an alert is sent and status gives advice. Counts from when it was queued until it is completed."
  type        = number
  default     = 3600

  validation {
    condition     = var.consumer_max_wait_seconds >= 60 && var.consumer_max_wait_seconds <= 2592000 && floor(var.consumer_max_wait_seconds) == var.consumer_max_wait_seconds
    error_message = "consumer_max_wait_seconds must be a whole number from 60 to 2592000."
  }
}

variable "consumers" {
  description = "Consumers of the stored emails, such as extraction: the name of each with the email address of the service account of its workers. Each account becomes a database user that may act for its consumers only, and each consumer gets a schema of its name."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for consumer in keys(var.consumers) : can(regex("^[a-z][a-z0-9_-]{0,62}$", consumer))])
    error_message = "Each key of consumers must be the name of a consumer: a lowercase letter, then at most 62 lowercase letters, digits, hyphens or underscores."
  }
  validation {
    condition     = alltrue([for consumer in keys(var.consumers) : !can(regex("^(public|information_schema|pg_.*)$", consumer))])
    error_message = "public, information_schema and names that begin with pg_ cannot be names of consumers, because PostgreSQL has such schemas."
  }
  validation {
    condition     = alltrue([for email in values(var.consumers) : can(regex("^[^@ ,]+@[^@ ,]+\\.gserviceaccount\\.com$", email))])
    error_message = "Each value of consumers must be the email address of a service account, such as orders@my-project.iam.gserviceaccount.com."
  }
  validation {
    condition     = alltrue([for email in values(var.consumers) : length(trimsuffix(email, ".gserviceaccount.com")) <= 63])
    error_message = "A database user has at most 63 characters: choose service accounts in consumers whose address is at most 83 characters long."
  }
}

variable "database_availability" {
  description = "ZONAL (one zone, cheaper; an outage of the zone delays mail but loses none) or REGIONAL (with a standby in a second zone)."
  type        = string
  default     = "ZONAL"

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability)
    error_message = "database_availability must be ZONAL or REGIONAL."
  }
}

variable "database_deployments" {
  description = "Number of deployments that share the database instance. Each may use an equal part of the connections."
  type        = number
  default     = 1

  validation {
    condition     = var.database_deployments >= 1 && var.database_deployments <= 100 && floor(var.database_deployments) == var.database_deployments
    error_message = "database_deployments must be a whole number from 1 to 100."
  }
}

variable "database_disk_limit_gb" {
  description = "Maximum size to which the database disk grows automatically, in GB. 0 means no limit."
  type        = number
  default     = 100

  validation {
    condition     = var.database_disk_limit_gb == 0 || (var.database_disk_limit_gb >= 10 && floor(var.database_disk_limit_gb) == var.database_disk_limit_gb)
    error_message = "database_disk_limit_gb must be 0 or a whole number of at least 10, the initial size of the disk."
  }
}

variable "database_instance" {
  description = "Existing Cloud SQL instance to use: its name in this project, or project:region:name. Null: create one. The other variables of the instance then have no effect."
  type        = string
  default     = null

  validation {
    condition     = var.database_instance == null ? true : can(regex("^(([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]*:[a-z0-9-]+:)?[a-z][a-z0-9-]*$", var.database_instance))
    error_message = "database_instance must be the name of an instance, or its connection name project:region:name."
  }
}

variable "database_name" {
  description = "Name of the database. Null: email_monitor, or on an existing instance the name of the deployment, with _ instead of -. A change creates an empty database."
  type        = string
  default     = null

  validation {
    condition     = var.database_name == null ? true : can(regex("^[a-z][a-z0-9_]{0,62}$", var.database_name))
    error_message = "database_name must have at most 63 lowercase letters, digits and underscores, and start with a letter."
  }
}

variable "database_retained_backups" {
  description = "Number of daily backups to keep."
  type        = number
  default     = 14

  validation {
    condition     = var.database_retained_backups >= 7 && var.database_retained_backups <= 365
    error_message = "database_retained_backups must be between 7 (the days that point-in-time recovery covers) and 365."
  }
}

variable "database_tier" {
  description = "Machine type of the database. It determines the maximum number of connections: see max_connections_of_tier in locals.tf."
  type        = string
  default     = "db-g1-small"

  validation {
    condition     = contains(["db-f1-micro", "db-g1-small", "db-custom-1-3840", "db-custom-2-7680", "db-custom-4-15360"], var.database_tier)
    error_message = "database_tier must be a tier whose maximum number of connections is listed in locals.tf: db-f1-micro, db-g1-small, db-custom-1-3840, db-custom-2-7680 or db-custom-4-15360."
  }
}

variable "deletion_protection" {
  description = "Whether the database, the credentials and the services are protected from deletion. To destroy them, apply with false first."
  type        = bool
  default     = true
}

variable "deployers" {
  description = "IAM members who may call migrate (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.deployers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of deployers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
}

variable "email_subscribers" {
  description = "Email addresses of the service accounts that learn of stored emails through Pub/Sub. Each gets a subscription of its own. Needs publish_emails."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.email_subscribers : can(regex("^[^@ ]+@[^@ ]+\\.gserviceaccount\\.com$", email))])
    error_message = "Each entry of email_subscribers must be the email address of a service account, such as orders@my-project.iam.gserviceaccount.com."
  }
  validation {
    condition     = length(distinct([for email in var.email_subscribers : split("@", email)[0]])) == length(var.email_subscribers)
    error_message = "The part before the @ names the subscription, so it must be different for each entry of email_subscribers."
  }
  validation {
    condition     = length(var.email_subscribers) == 0 || var.publish_emails
    error_message = "email_subscribers needs publish_emails = true: without it there is no topic to subscribe to."
  }
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

variable "iap" {
  description = "Puts Identity-Aware Proxy in front of the console, so that operators open it in a browser. The gcloud proxy then no longer reaches it."
  type        = bool
  default     = false

  validation {
    condition     = !var.iap || length(var.operators) > 0
    error_message = "iap needs operators: the proxy lets no one else through, not even project owners."
  }
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
  description = "Cloud KMS key that encrypts the database, the credentials, the notifications, the source and the images. Null: keys that Google manages. README.md lists who needs to use the key."
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
    condition     = alltrue([for key, count in var.max_instances : contains(["poll", "gmail-push", "poll-now", "status", "start", "stop", "console"], key) && count >= 1 && count <= 100 && floor(count) == count])
    error_message = "max_instances takes whole numbers from 1 to 100 for poll, gmail-push, poll-now, status, start, stop and console. migrate always has one: two migrations would wait for each other."
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

variable "notification_channels" {
  description = "Existing notification channels (chat, paging) in addition to alert_emails: projects/P/notificationChannels/N."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for channel in var.notification_channels : can(regex("^projects/[^/]+/notificationChannels/[^/]+$", channel))])
    error_message = "notification_channels must contain full names such as projects/P/notificationChannels/N. List them with `gcloud beta monitoring channels list`."
  }
}

variable "operators" {
  description = "IAM members who may call status, start, stop, poll-now and console (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of operators must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
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

variable "private_network" {
  description = "VPC network, projects/P/global/networks/N, in which the database gets its only address. It needs private services access. Null: a public address that only Google's connectors can use."
  type        = string
  default     = null

  validation {
    condition     = var.private_network == null ? true : can(regex("^projects/[^/]+/global/networks/[^/]+$", var.private_network))
    error_message = "private_network must have the form projects/P/global/networks/N."
  }
}

variable "private_subnetwork" {
  description = "Subnetwork of private_network from which the functions get addresses, projects/P/regions/R/subnetworks/S. Null: the one that is named like the network."
  type        = string
  default     = null

  validation {
    condition     = var.private_subnetwork == null ? true : can(regex("^projects/[^/]+/regions/[^/]+/subnetworks/[^/]+$", var.private_subnetwork))
    error_message = "private_subnetwork must have the form projects/P/regions/R/subnetworks/S."
  }
  validation {
    condition     = var.private_subnetwork == null || var.private_network != null
    error_message = "private_subnetwork has no effect without private_network."
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

variable "region" {
  description = "Region of all resources, such as europe-west1. Cloud Run, Cloud SQL and Cloud Scheduler must be available there."
  type        = string
  default     = "europe-west1"

  validation {
    condition     = can(regex("^(africa|asia|australia|europe|me|northamerica|southamerica|us)-(central|(north|south)?(east|west)|north|south)[1-9][0-9]?$", var.region))
    error_message = "region must be a Google Cloud region such as europe-west1 or us-central1: not a zone (europe-west1-b), not a multi-region (eu) and not \"global\"."
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

variable "viewers" {
  description = "IAM members who may call status (user:..., group:..., serviceAccount:...)."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.viewers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of viewers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
}
