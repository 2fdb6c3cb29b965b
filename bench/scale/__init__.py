"""`make bench-scale`: bursts and steady loads of ImageJobs, compared with native Jobs and bare Pods."""
