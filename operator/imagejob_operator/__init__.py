"""The ImageJob operator: watches ImageJobs, stages sources, launches Pods, publishes renditions."""
