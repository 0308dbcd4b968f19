"""Kernelspecs and their releases: the form of kernel.json, what a gateway lists, what lint finds, images.

What a user may wish for within the bounds of a kernelspec is decided in `start`. Taking over foreign kernelspecs
is the work of `importers`.
"""
