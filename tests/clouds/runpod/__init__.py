"""RunPod on the loopback: REST v2, GraphQL, logs, the proxy and real gateways; remembers everything, and what bills.

What REST v2 is asked and what it answers is held against RunPod's own OpenAPI description (specs/rest-v2.json). Where
that is silent it behaves as RunPod's users report; see the faults.
"""
