"""Follows an event stream with httpx-sse, and prints each event as a line of JSON.

Usage: python httpx_client.py URL KEY
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse


def follow(client: httpx.Client, url: str, headers: dict[str, str]) -> None:
    wait = 3.0
    while True:
        try:
            with connect_sse(client, "GET", url, headers=headers) as source:
                source.response.raise_for_status()
                if source.response.status_code == httpx.codes.NO_CONTENT:
                    return
                for event in source.iter_sse():
                    if event.retry is not None:
                        wait = event.retry / 1000
                    # It hands out blocks without data, too: a `retry:` alone is one.
                    if not event.data:
                        continue
                    # It forgets the id with the line.
                    if event.id:
                        headers["last-event-id"] = event.id
                    print(json.dumps({"type": event.event, "id": event.id, "data": event.data}), flush=True)
        except httpx.TransportError:
            pass  # The line was cut.
        time.sleep(wait)


if __name__ == "__main__":
    url, key = sys.argv[1:]
    with httpx.Client(timeout=30) as client:
        follow(client, url, {"authorization": f"Bearer {key}"})
