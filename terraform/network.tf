# Private networking, an option: without private_network the functions reach the database through Cloud Run's socket, which
# needs no network.

locals {
  is_private = var.private_network != null

  # Direct VPC egress. Only private addresses go through the network; Google's APIs are reached as before.
  vpc_accesses = local.is_private ? [{
    egress     = "PRIVATE_RANGES_ONLY"
    network    = var.private_network
    subnetwork = var.private_subnetwork
  }] : []

  # With a private address, the functions use Google's connector instead of the socket.
  cloudsql_sockets = local.is_private ? [] : ["cloudsql"]
}
