"""The gateway: Jupyter Enterprise Gateway, subclassed; the only package that imports it."""
