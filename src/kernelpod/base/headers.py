"""What users' servers and the gateway say to each other in the headers of Jupyter messages."""

from __future__ import annotations

# In the header of a kernel_info_request: only the kernel may answer it, after all that it was asked before.
IN_ORDER = "kernelpod_in_order"
