"""Several gateways for the same kernels: one leads, and the others stand by to take its place."""
