"""Helpers for all packages: names of objects, quantities, types of settings, YAML for Go, shipped files.

A module belongs here if at least three packages need it and it does not depend on kernels, users, the hub or the
settings.
"""
