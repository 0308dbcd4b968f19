"""Machines with kernels of their own (User-mode Linux): nodes of the cluster and an NFS server outside of it."""
