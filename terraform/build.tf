# The image of the functions, built from the source unless var.image names one. No resource of the provider builds an image:
# Cloud Run stores build_config with a service and builds nothing when Terraform creates or updates the service.
# https://github.com/hashicorp/terraform-provider-google/issues/22263

resource "google_artifact_registry_repository" "functions" {
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  description   = "Images of the functions: one image for all of them."
  format        = "DOCKER"
  kms_key_name  = var.kms_key
  labels        = local.labels

  # A keep rule takes precedence over a delete rule, so the running image and a few to roll back to are kept at any age.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "2592000s" # 30 days
    }
  }

  depends_on = [time_sleep.apis]
}

# The permissions of a build: read the source, write the log, push the image.

resource "google_storage_bucket_iam_member" "build_reads_source" {
  bucket = google_storage_bucket.source.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${local.build_email}"
}

resource "google_project_iam_member" "build_writes_log" {
  project = var.project_id
  role    = "roles/logging.logWriter"
  member  = "serviceAccount:${local.build_email}"
}

resource "google_artifact_registry_repository_iam_member" "build_writes_images" {
  project    = var.project_id
  location   = google_artifact_registry_repository.functions.location
  repository = google_artifact_registry_repository.functions.name
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${local.build_email}"
}

locals {
  # The image contains no operating system. Cloud Run adds this base image at run time, so Google can patch Node 24 and
  # the operating system without a deployment.
  base_image = "${var.region}-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24"

  # The target of the image. The variable APP_FUNCTION of a service names the function that it serves.
  build_target = "main"

  # The tag is a hash of everything that determines the image, so an image of unchanged source is not built again.
  image_repository = "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.functions.repository_id}"
  built_images = [
    for source in data.archive_file.source :
    "${local.image_repository}/functions:${substr(sha256("${source.output_sha256} ${local.base_image} ${local.build_target}"), 0, 16)}"
  ]
  image = coalesce(var.image, local.built_images...)
}

# Builds the image while Terraform applies. The command looks for the image first, so a repeated run builds nothing. It takes
# its credentials as the provider does; Terraform passes no token to it.
resource "terraform_data" "image" {
  count = var.image == null ? 1 : 0

  triggers_replace = [local.image]

  # The region of the build, and the body for projects.locations.builds.submit of the Cloud Run API.
  input = {
    parent = "projects/${var.project_id}/locations/${coalesce(var.build_region, var.region)}"
    request = {
      storageSource = {
        bucket = google_storage_bucket_object.source[0].bucket
        object = google_storage_bucket_object.source[0].name
      }
      imageUri       = local.image
      serviceAccount = "projects/${var.project_id}/serviceAccounts/${local.build_email}"
      buildpackBuild = {
        functionTarget         = local.build_target
        baseImage              = local.base_image
        enableAutomaticUpdates = true
      }
    }
  }

  provisioner "local-exec" {
    command     = "npm run -s image"
    working_dir = "${path.module}/.."
    environment = { IMAGE_BUILD = jsonencode(self.input) }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes_images,
    google_project_iam_member.build_writes_log,
    google_storage_bucket_iam_member.build_reads_source,
  ]
}
