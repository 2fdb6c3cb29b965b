"""The documentation site: `mkdocs build` over docs/, with the files of the repository that pages link to."""
