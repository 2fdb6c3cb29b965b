"""Long-running work beside the reconcile: staging, processing, publishing, validation.

Functions that take a store raise StoreError when it fails, and OperationFailed when the job cannot continue.
"""
