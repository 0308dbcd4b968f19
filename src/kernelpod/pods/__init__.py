"""Builds objects for Kubernetes: the Secret and Pod of a kernel, the volumes of a server, and parts of both.

All functions are pure functions of the plan or of mounts and return plain dicts. `runtime.kubernetes` sends them
to Kubernetes.
"""
