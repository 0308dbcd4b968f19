"""Imports kernelspecs of stock gateways, of Gateway Provisioners, and of kernels of one machine."""
