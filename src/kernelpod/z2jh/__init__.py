"""Values for the chart Zero to JupyterHub, by its versions, and this package as one file for its hub.

What a deployment does with the chart is in `deploy`; what the hub then loads is `hub`.
"""
