"""The world: each client has its one home here."""
