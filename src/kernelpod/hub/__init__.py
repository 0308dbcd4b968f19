"""The hub's side: what JupyterHub must be told; the only package that imports JupyterHub or KubeSpawner."""
