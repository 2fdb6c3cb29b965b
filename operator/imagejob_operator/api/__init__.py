"""The custom resources as values: spec, status, phases, conditions, errors. Pure."""
