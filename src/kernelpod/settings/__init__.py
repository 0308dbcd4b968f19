"""The settings of gateway and hubs: sections, what is computed from them, and the file.

Here belongs what an admin writes into the settings file. Files of courses and of kernelspecs have rooms of
their own, and so has `deploy.yaml`.
"""
