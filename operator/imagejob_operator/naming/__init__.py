"""Names of the API and of the folders in the store."""
