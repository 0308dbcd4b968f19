"""Kernelspecs as admins publish them: the form of kernel.json, and the published folder."""
