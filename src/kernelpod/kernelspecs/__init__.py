"""Kernelspecs: the model of kernel.json, the published listing, lint, image checks and releases.

The package `start` decides what a user may request within the bounds of a kernelspec. The package `importers`
imports kernelspecs of other gateways.
"""
