"""Kopf: its settings and its watch events. Handlers record and queue; no rule lives here."""
