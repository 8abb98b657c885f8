"""What our own code costs, as ratios to bare clients that do the same work in the same run: `make bench`.

Ratios, because the machine is shared and its speed changes by the hour; nothing here promises or asserts a duration.
"""
