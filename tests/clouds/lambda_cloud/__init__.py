"""Lambda Cloud on the loopback: what it is asked and what it answers is held against Lambda's own description.

Where that is silent (429, doubled key names, how long things take) it behaves as users report; see the faults.
"""
