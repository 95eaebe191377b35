# Values of the mock providers where a random string is not valid. Used by all tests except those of monitoring.

mock_data "archive_file" {
  defaults = {
    output_sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    output_path   = ".terraform/source.zip"
  }
}

mock_data "google_project" {
  defaults = { number = "123456789012" }
}
