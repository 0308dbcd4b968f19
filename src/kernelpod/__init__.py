"""Kernels in pods, homes that follow: Jupyter kernels that run with their user's own home."""

__version__ = "0.1.0"
