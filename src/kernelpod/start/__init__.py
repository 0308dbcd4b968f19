"""The start of a kernel, from a client's wish to a plan: read the modules in the order that `start` tells.

Here belongs who asks, what they are entitled to and what will run. How a pod says it is in `pods`, how it is run
in `runtime`. After `policy` nobody looks at the request, the environment or the settings again.
"""
