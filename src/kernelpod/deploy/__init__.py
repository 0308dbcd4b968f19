"""A deployment: gateway, kernels' namespace and hub on a cluster, by kubectl and helm."""
