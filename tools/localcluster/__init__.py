"""A real Kubernetes cluster on one machine, for development and tests.

With Docker and kind it drives kind; without them it builds Kubernetes from
Go modules and runs one node in namespaces of its own. Standard library only.
"""
