"""Kopf's words to ours. No rule lives here: a handler records what it saw and adds a key to the queue."""
