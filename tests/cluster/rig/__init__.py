"""A one-node Kubernetes, Helm, NFS and DNS, built from package registries, in a network namespace of its own."""
