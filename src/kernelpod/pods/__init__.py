"""What Kubernetes is given: the Secret and Pod of a kernel, the volumes of a server, and what both have in common.

Pure functions of the plan and of mounts, with plain dicts as results. Asking Kubernetes is `runtime.kubernetes`.
"""
