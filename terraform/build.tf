# From the source to the images. Cloud Run keeps build_config with a service but does not build when Terraform creates
# or updates one; `npm run deploy` submits the builds that terraform_data.build describes, before the services.
# https://github.com/hashicorp/terraform-provider-google/issues/22263

resource "google_artifact_registry_repository" "functions" {
  project       = var.project_id
  location      = var.region
  repository_id = var.name
  description   = "Images of the functions, one for each."
  format        = "DOCKER"
  labels        = local.labels

  # A keep rule wins over a delete rule: the image that runs stays however old it is, and a few to go back to.
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

# The three things that a build does: read the source, write its log, push the image.

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
  # The image is built without an operating system and gets it from here at run time: Google mends Node 24 and what
  # lies under it without a deployment.
  base_image = "${var.region}-docker.pkg.dev/serverless-runtimes/google-24-full/runtimes/nodejs24"

  # What an image is made of. The same source on the same base is the same image, and needs no second build.
  image_tag = substr(sha256("${data.archive_file.source.output_sha256} ${local.base_image}"), 0, 16)
  images = {
    for key in keys(local.functions) :
    key => "${var.region}-docker.pkg.dev/${var.project_id}/${google_artifact_registry_repository.functions.repository_id}/${key}:${local.image_tag}"
  }
  source_location = "gs://${google_storage_bucket_object.source.bucket}/${google_storage_bucket_object.source.name}"
  build_account   = "projects/${var.project_id}/serviceAccounts/${local.build_email}"
}

# All that must be there before an image can be built, and what to build: the bodies of projects.locations.builds.submit
# of the Cloud Run API. `terraform apply -target=terraform_data.build` makes this much and no more.
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
