"""Runs kernels as pods. Only the module `apiserver` imports the Kubernetes client."""
