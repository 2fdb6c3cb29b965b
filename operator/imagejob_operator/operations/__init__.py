"""Long-running work beside the reconcile: staging, processing, publishing, validation."""
