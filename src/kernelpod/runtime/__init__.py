"""Runtimes that start, watch and stop kernels: one interface, and one package for each implementation.

To add a runtime, add a package here and one line in `gateway.app`. The package `start` decides what will run.
"""
