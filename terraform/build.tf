# Builds the images from the source. Cloud Run stores build_config with a service, but does not start a build when
# Terraform creates or updates the service. `npm run deploy` submits the builds that terraform_data.build describes
# before it applies the services.
# https://github.com/hashicorp/terraform-provider-google/issues/22263

resource "google_artifact_registry_repository" "functions" {
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  description   = "Images of the functions, one image per function."
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

  depends_on = [google_project_service.required]
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

  # A hash of the source and the base image. If neither changes, the tag is the same and no build is needed.
  image_tag = substr(sha256("${data.archive_file.source.output_sha256} ${local.base_image}"), 0, 16)
  images = {
    for key in keys(local.functions) :
    key => "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.functions.repository_id}/${key}:${local.image_tag}"
  }
  source_location = "gs://${google_storage_bucket_object.source.bucket}/${google_storage_bucket_object.source.name}"
  build_account   = "projects/${var.project_id}/serviceAccounts/${local.build_email}"
}

# The build requests: the bodies for projects.locations.builds.submit of the Cloud Run API. Depends on everything that a
# build needs, so `terraform apply -target=terraform_data.build` creates exactly what the builds need.
resource "terraform_data" "build" {
  input = {
    parent = "projects/${var.project_id}/locations/${var.region}"
    requests = {
      for key, function in local.functions : key => {
        storageSource = {
          bucket = google_storage_bucket_object.source.bucket
          object = google_storage_bucket_object.source.name
        }
        imageUri       = local.images[key]
        serviceAccount = local.build_account
        buildpackBuild = {
          functionTarget         = function.target
          baseImage              = local.base_image
          enableAutomaticUpdates = true
        }
      }
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes_images,
    google_project_iam_member.build_writes_log,
    google_storage_bucket_iam_member.build_reads_source,
  ]
}
