"""Where users' files are, for servers and kernels alike: volumes, and the mounts that a user gets.

This is what the project is for, so it depends on nothing but words of `base`. What a user may mount beside the
home, by course and rule, is decided in `start`; how a pod says it is in `pods`.
"""
