# Input variables: who may call which function, and the accounts of consumers and subscribers.

variable "attachment_readers" {
  description = "IAM members, in addition to the accounts in consumers, who may call attachment-url for a signed URL of any stored attachment (user:..., group:..., serviceAccount:...). Needs attachments_bucket."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.attachment_readers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of attachment_readers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
  validation {
    condition     = length(var.attachment_readers) == 0 || var.attachments_bucket
    error_message = "attachment_readers needs attachments_bucket = true: without the bucket there is no attachment-url to call."
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

variable "deployers" {
  description = "IAM members who may call migrate (user:..., group:..., serviceAccount:...)."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.deployers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of deployers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
}

variable "email_subscribers" {
  description = "Email addresses of the service accounts that learn of stored emails through Pub/Sub. Each gets a subscription of its own. Needs publish_emails."
  type        = set(string)
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

variable "iap" {
  description = "Puts Identity-Aware Proxy in front of the console, so that operators open it in a browser. The gcloud proxy then no longer reaches it."
  type        = bool
  default     = false

  validation {
    condition     = !var.iap || length(var.operators) > 0
    error_message = "iap needs operators: the proxy lets no one else through, not even project owners."
  }
}

variable "operators" {
  description = "IAM members who may call status, start, stop, poll-now and console (user:..., group:..., serviceAccount:...)."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.operators : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of operators must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
}

variable "viewers" {
  description = "IAM members who may call status (user:..., group:..., serviceAccount:...)."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.viewers : can(regex("^(user|group|serviceAccount|principal|principalSet):[^ ]+$", member))])
    error_message = "Each entry of viewers must be user:..., group:..., serviceAccount:..., principal:... or principalSet:.... Public access is not allowed."
  }
}
