"""Ways to log in that JupyterHub does not bring, and who may log in at all."""
