"""Kernels as pods. `apiserver` is the only module of the project that imports the Kubernetes client."""
