"""What JupyterHub's process loads, and nothing else: configuration, spawners, logins, pages, proxy, culler.

Values for the chart Zero to JupyterHub are made in `z2jh`; what a user's server loads is `singleuser`.
"""
