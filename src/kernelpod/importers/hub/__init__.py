"""Takes over values of Zero to JupyterHub, of any version."""
