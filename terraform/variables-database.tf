# Input variables: the database and its network.

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
