"""Deploys gateway, kernel namespace and hubs to a cluster from one file, with kubectl and helm.

This package holds what runs on an administrator's machine. The gateway's own requests to the cluster are in
`runtime.kubernetes`, and values for Zero to JupyterHub are made in `z2jh`.
"""
