"""`make soak`: thousands of ImageJobs come and go; the operator's memory is held against its beginning."""
