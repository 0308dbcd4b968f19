"""Homes and shared folders, the same for servers and kernels: volumes, and the mounts of each user.

This package is the core of the project, so it depends only on `base`. `start` uses courses and rules to decide
which other folders a user may mount. `pods` turns mounts into volumes of a pod.
"""
