"""Everything between a kernel's sockets and its pages: one connection to the kernel, for all of them."""
