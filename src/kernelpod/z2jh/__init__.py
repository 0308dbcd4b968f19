"""Values for the chart of Zero to JupyterHub, its versions, and this package as one file for the chart's hub.

`deploy` installs the chart. `hub` has the code that the hub then loads.
"""
