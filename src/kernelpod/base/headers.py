"""What users' servers and the gateway say to each other in headers."""

from __future__ import annotations

# In the Jupyter header of a kernel_info_request: only the kernel may answer it, after all that it was asked
# before.
IN_ORDER = "kernelpod_in_order"
# In the answer that opens a websocket: an id of the gateway's process. Another process has heard nothing of what
# the kernel said since the last one died.
GATEWAY_ID = "Kernelpod-Gateway"
# In a request that one gateway passes on to another: the address it came from, signed.
FORWARDED_FOR = "Kernelpod-Forwarded-For"
# In a request of the gateway that leads to the one that led before: since which change of the lease, signed.
LEADS = "Kernelpod-Leads"
# In a request for a websocket: what the page had from the last one, in JSON; see `gateway/channels/comeback.py`.
COMEBACK = "Kernelpod-Comeback"
# In the answer to it: "complete" if this gateway has heard all that the kernel has said since.
HEARD = "Kernelpod-Heard"
