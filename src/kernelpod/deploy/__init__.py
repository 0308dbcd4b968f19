"""A deployment from one file: gateway, the namespace of kernels and hubs on a cluster, by kubectl and helm.

Here belongs what an admin's machine does to a cluster. What the gateway itself asks of a cluster is
`runtime.kubernetes`; values for Zero to JupyterHub are made in `z2jh`.
"""
