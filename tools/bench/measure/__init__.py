"""What tools/bench/run measures with: servers over the kernel, Redpoll over memif, and dpdk-testpmd on the same device."""
