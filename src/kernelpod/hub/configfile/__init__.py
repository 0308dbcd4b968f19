"""Reads a hub's configuration from YAML and checks it against JupyterHub's own classes."""
