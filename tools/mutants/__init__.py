"""Mutation tests: changes to the code that the unit tests must notice."""
