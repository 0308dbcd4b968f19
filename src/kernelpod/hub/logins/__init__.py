"""Authenticators that JupyterHub does not include, and the allow list of a hub with courses."""
