"""The demo on one machine: hub, Lab, gateway and kernels without Kubernetes, to try out and to check.

This package starts the released components and acts as their user.
"""
