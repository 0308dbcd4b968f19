"""Imports hubs without Helm: a jupyterhub_config.py, or the config.yaml of The Littlest JupyterHub."""
