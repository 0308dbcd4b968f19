"""The settings of the gateway and its hubs: the sections, values computed from them, and the file reader.

This room holds what an admin writes into the settings file. Courses files, kernelspecs and `deploy.yaml` have
rooms of their own.
"""
