#!/usr/bin/python3
"""Two thousand large requests that are answered with 504: bodies go with their answers, whatever the deadline. bench/http_service.py
--part given_up does the same for as long as one likes."""

import sys

sys.dont_write_bytecode = True

from given_up import faults, hold_requests
from http_support import main


def keeps_nothing_of_what_was_given_up(db):
    found = hold_requests(db, deadline_ms=200, progress=lambda answers: answers, limit=1000, step=250)
    assert not faults(found), (faults(found), found)


if __name__ == "__main__":
    main([], [keeps_nothing_of_what_was_given_up])
