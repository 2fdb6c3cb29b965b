"""The `imagejob` command shows the status of an ImageJob."""
