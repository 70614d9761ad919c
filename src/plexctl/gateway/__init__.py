"""The gateway: the small server in front of voice engines, in the same container or on the same host.

It travels alone: of plexctl it imports only the voice protocol, and of others only aiohttp,
prometheus-client, websockets and huggingface_hub.
Nothing is imported here, so that the first thing a starting gateway does can be to write its pid.
"""
