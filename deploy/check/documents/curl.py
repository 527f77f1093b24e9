"""`curl`: of ports that were forwarded."""

import re
import sys
import time

from stand_in import called, refuse, state

PATIENCE_SECONDS = 60
PATHS = ("/readyz", "/livez", "/startupz", "/metrics")


def main():
    called()
    address = re.fullmatch(r"http://localhost:(\d+)(/\S*)", sys.argv[-1])
    if not address:
        refuse("asks what is not here")
    # What forwards it was begun right before. A page that says `--retry-connrefused` waits for it, any other does not.
    deadline = time.monotonic() + (PATIENCE_SECONDS if "--retry-connrefused" in sys.argv else 0)
    while int(address[1]) not in state()["ports"]:
        if time.monotonic() > deadline:
            refuse(f"nobody has forwarded {address[1]}")
        time.sleep(0.1)
    if address[2] not in PATHS:
        refuse(f"no admin port has {address[2]}")
    print('{"ready":true}')


main()
