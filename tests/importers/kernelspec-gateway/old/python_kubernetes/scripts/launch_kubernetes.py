# The launcher of the old gateway.
