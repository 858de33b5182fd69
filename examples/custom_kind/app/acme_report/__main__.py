"""Prints the load and the memory of this host."""

with open("/proc/loadavg") as load, open("/proc/meminfo") as memory:
    print("load", load.read().split()[0])
    print(memory.readline().strip())
