"""From verified results to published outputs and the report."""
