"""Checks in registries or on nodes whether images exist."""
