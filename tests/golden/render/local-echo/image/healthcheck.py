"""Ends with 0 when the gateway says that it is ready, and with 1, and why, when it does not."""

import http.client
import os
import ssl
import sys

_TIMEOUT_S = 4.0


def main():
    port = int(os.environ.get("PLEXCTL_PORT") or os.environ.get("PORT") or 8998)
    # http.client knows no proxies: HTTP_PROXY must not stand between a container and itself.
    if os.environ.get("PLEXCTL_TLS", "").strip():
        # The certificate is the gateway's own of this start. Nothing secret is asked or told.
        context = ssl._create_unverified_context()
        caller = http.client.HTTPSConnection("localhost", port, timeout=_TIMEOUT_S, context=context)
    else:
        caller = http.client.HTTPConnection("localhost", port, timeout=_TIMEOUT_S)
    try:
        caller.request("GET", "/health")
        answer = caller.getresponse()
        words = answer.read(4096).decode(errors="replace")
    except OSError as error:
        sys.exit(f"no answer on port {port}: {error}")
    print(answer.status, words)
    sys.exit(0 if answer.status == http.HTTPStatus.OK else 1)


if __name__ == "__main__":
    main()
