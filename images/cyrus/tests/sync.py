"""The checks that `run` calls; see there."""

import argparse
import sys
import tempfile

# Importing the first four registers their checks.
import commands
import failing
import service
import together
from measure import measure
from slot import remove
from store import CHECKS, Store


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("rootfs", help="the unpacked image")
    arguments.add_argument("--engine", metavar="DIR", help="another build of the engine, laid over the image: a folder "
                           "as `dpkg -x` makes it, without its etc and var, which would hide the image's")
    arguments.add_argument("--only", default="", metavar="WORD", help="only the checks whose name contains WORD")
    arguments.add_argument("--measure", action="store_true", help="print latencies and time bounds instead of checking")
    arguments.add_argument("--log", action="store_true", help="print the primary's log at the end")
    chosen = arguments.parse_args()
    work = tempfile.mkdtemp(prefix="govuc-cyrus-", dir="/var/tmp")
    store, failed = Store(work, ":".join(filter(None, (chosen.engine, chosen.rootfs)))), 0
    try:
        store.start()
        if chosen.measure:
            measure(store)
            return 0
        for name, test in CHECKS:
            if chosen.only not in name:
                continue
            try:
                test(store)
                print(f"ok {name}", flush=True)
            except (AssertionError, OSError, EOFError) as error:
                failed += 1
                print(f"FAILED {name}: {' '.join(str(error).split())}", flush=True)
            store.relay.clear()
    finally:
        if chosen.log:
            print("\n".join(store.primary.log))
        store.stop()
        remove(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
