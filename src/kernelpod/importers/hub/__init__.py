"""Imports values of any version of Zero to JupyterHub."""
