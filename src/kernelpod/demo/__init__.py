"""The demo on one machine: hub, Lab, gateway and kernels, for people and for checks, without Kubernetes.

Here belongs what brings the parts up and acts as a person in front of them. The parts are those that ship.
"""
