"""What servers and kernels need of a hub's configuration, by effective trait, and what in an admin's breaks it.

JupyterHub is not imported here: the checks also run where it is not installed. Where values of Zero to JupyterHub
set traits is in `z2jh`.
"""
