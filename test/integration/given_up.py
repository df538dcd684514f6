"""Large requests whose answers come too late, again and again: whether seqrec-http keeps anything of them. For a test and for bench/."""

import asyncio
import collections
import contextlib
import json

from http_support import sidecar

CLIENTS = 64
IDS = 5000
ALLOWED_KB = 32 * 1024  # what memory may grow by after the first look; a thousand of these requests are four times as much
# Given up by seqrec-http at the deadline, in its queue or at the database; and by the database, where the deadline is far away.
WAYS = {
    "at the deadline": lambda db, ms: {"SEQREC_DEADLINE_MS": ms},
    "long before it": lambda db, ms: {"SEQREC_DEADLINE_MS": 600000, "SEQREC_BATCH": 1, "SEQREC_PIPELINE": 1,
                                      "SEQREC_DSN": f"host={db.folder} user=postgres dbname=shop options='-c statement_timeout={ms // 10}ms'"},
}


def request():
    """Some 130 kB that the stub of the database never answers."""
    body = json.dumps({"user_id": "sleep:3600", "recent_clicks": ["a"], "exclude_item_ids": [f"an item that is {n:06}" for n in range(IDS)]}).encode()
    head = f"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def resident_kb(process):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith("VmRSS")).split()[1])


async def client(port, answered):
    """Asks until answered(status) is false."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    question = request()
    try:
        while True:
            writer.write(question)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            if not answered(int(head.split(b" ", 2)[1])):
                return
    finally:
        writer.close()


async def watch(server, progress, limit, step, tell):
    """Until progress(answers) has come to the limit; memory each step, the first of which is to warm up."""
    codes, memory, due = collections.Counter(), [], step

    def answered(status):
        nonlocal due
        codes[status] += 1
        now = progress(sum(codes.values()))
        if now >= due:
            due = now - now % step + step
            memory.append(resident_kb(server.process))
            tell(memory)
        return now < limit

    await asyncio.gather(*(client(server.port, answered) for _ in range(CLIENTS)))
    return {"codes": dict(codes), "first_kb": memory[0], "last_kb": memory[-1], "max_kb": max(memory), "looks": len(memory),
            "grown_kb": max(memory) - memory[0], "allowed_kb": ALLOWED_KB}


def hold_requests(db, deadline_ms, progress, limit, step, tell=lambda way, memory: None):
    """What each way came to, both at the same time."""

    async def all_ways(servers):
        watched = [watch(server, progress, limit, step, lambda memory, way=way: tell(way, memory)) for way, server in servers.items()]
        return dict(zip(servers, await asyncio.gather(*watched)))

    with contextlib.ExitStack() as stack:
        servers = {way: stack.enter_context(sidecar(db, SEQREC_POOL=4, SEQREC_ACCESS_LOG="off", **settings(db, deadline_ms))) for way, settings in WAYS.items()}
        for server in servers.values():
            server.wait_ready()
        return asyncio.run(all_ways(servers))


def is_given_up(codes):
    """504 nearly always: a connection that an overloaded server does not end in time is opened anew, and there is a moment without any."""
    return set(codes) <= {503, 504} and codes[504] > 0.99 * sum(codes.values())


def faults(found):
    """What of it is not as it should be."""
    said = [f"{way}: statuses {of['codes']}" for way, of in found.items() if not is_given_up(of["codes"])]
    return said + [f"{way}: {of['grown_kb']} kB more" for way, of in found.items() if of["grown_kb"] > of["allowed_kb"]]
