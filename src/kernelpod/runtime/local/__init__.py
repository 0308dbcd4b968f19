"""Kernels as processes of this machine, each in a bubblewrap sandbox with its user's home."""
