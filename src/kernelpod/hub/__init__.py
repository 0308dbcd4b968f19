"""Code that JupyterHub's process loads: configuration, spawners, logins, pages, proxy and culler.

Values for the chart Zero to JupyterHub are made in `z2jh`. Code for users' servers is in `singleuser`.
"""
