"""Homes and shared folders, the same for servers and kernels: volumes, and the mounts of each user.

This room is the core of the project, so it depends only on `base`. `start` decides which other folders a user may
mount, by courses and rules. `pods` turns mounts into volumes of a pod.
"""
