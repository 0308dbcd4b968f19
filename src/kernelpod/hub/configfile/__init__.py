"""A hub's configuration from YAML, checked against JupyterHub's own classes."""
