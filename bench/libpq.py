"""A connection by libpq itself: what it does costs microseconds, where a psql costs milliseconds."""

import ctypes
import ctypes.util

LIBPQ = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
for name, result, arguments in (
    ("PQconnectdb", ctypes.c_void_p, [ctypes.c_char_p]),
    ("PQstatus", ctypes.c_int, [ctypes.c_void_p]),
    ("PQerrorMessage", ctypes.c_char_p, [ctypes.c_void_p]),
    ("PQbackendPID", ctypes.c_int, [ctypes.c_void_p]),
    ("PQexec", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]),
    ("PQresultStatus", ctypes.c_int, [ctypes.c_void_p]),
    ("PQntuples", ctypes.c_int, [ctypes.c_void_p]),
    ("PQclear", None, [ctypes.c_void_p]),
    ("PQfinish", None, [ctypes.c_void_p]),
):
    function = getattr(LIBPQ, name)
    function.restype, function.argtypes = result, arguments
OK = (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK


class Connection:
    """Reads the PG* variables of the environment, as every libpq program does."""

    def __init__(self):
        self.handle = LIBPQ.PQconnectdb(b"")
        if LIBPQ.PQstatus(self.handle) != 0:
            raise RuntimeError(LIBPQ.PQerrorMessage(self.handle).decode())
        self.pid = LIBPQ.PQbackendPID(self.handle)

    def run(self, statement):
        """Runs a statement and returns the number of its rows."""
        result = LIBPQ.PQexec(self.handle, statement.encode())
        status, rows = LIBPQ.PQresultStatus(result), LIBPQ.PQntuples(result)
        LIBPQ.PQclear(result)
        if status not in OK:
            raise RuntimeError(LIBPQ.PQerrorMessage(self.handle).decode())
        return rows

    def close(self):
        LIBPQ.PQfinish(self.handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
