"""Code that JupyterHub's process loads: configuration, spawners, logins, pages, proxy and culler.

The package `z2jh` makes values for the chart Zero to JupyterHub. Code for users' servers is in `singleuser`.
"""
