"""What every room uses: names of objects, quantities, types of settings, YAML as Go reads it, shipped files.

Here belongs what knows nothing of kernels, users or the hub, and what at least three rooms need. What knows the
settings or a user does not belong here.
"""
