"""Simulated nodes: the Pods given to them run nowhere, and yet do their part in the store.

KWOK keeps the nodes alive and takes away what is deleted; `actor.py` is the kubelet and the processor in one.
"""
