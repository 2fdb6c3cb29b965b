"""Pages of the documentation that are made from code and schema: states, errors, API."""
