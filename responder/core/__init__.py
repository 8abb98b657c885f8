"""The rules, as pure functions over frozen values.

Nothing here does I/O, reads a clock, logs, or imports anything of ours outside this room. Time is an argument.
"""
