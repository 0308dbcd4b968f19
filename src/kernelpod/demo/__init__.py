"""Hub, Lab, gateway and kernels on one machine, for people (`make demo`) and for checks (`make demo-check`)."""
