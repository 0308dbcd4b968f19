"""Runs kernels as processes on this machine, each in a bubblewrap sandbox with its user's home."""
