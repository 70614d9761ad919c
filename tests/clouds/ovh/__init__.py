"""A loopback OVHcloud: Public Cloud instances, and AI Deploy, behind OVHcloud's signatures and OAuth2.

Stateful; requests and answers are held against parts of published descriptions. An instance is a machine of
`tests.machines` where one is given, an app runs the real gateway as a process.
"""
