"""Spawners that give a server the same home as its kernels, as a pod or in a sandbox."""
