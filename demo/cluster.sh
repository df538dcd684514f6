#!/usr/bin/env bash
# A private PostgreSQL server for the demo and the tests: its own temporary folder, a unix socket only, no
# other server touched. Sourced, it gives cluster_start, cluster_stop and as_server_user; run as a command,
#
#     demo/cluster.sh COMMAND [ARGUMENT…]
#
# starts a fresh server, runs COMMAND against it, stops it, removes it, and exits as COMMAND did.
#
# COMMAND sees PGHOST, PGPORT, PGUSER (a superuser) and PGDATABASE (empty), PGDATA, PG_CONFIG, and
# PostgreSQL's programs first in PATH. Run by root, the server belongs to the user postgres.

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    set -euo pipefail
fi

# Runs a command as the user that the server belongs to, from a folder that every user may enter.
as_server_user() {
    if ((EUID == 0)); then
        (cd / && runuser -u postgres -- "$@")
    else
        (cd / && "$@")
    fi
}

# cluster_start DATABASE [SETTING=VALUE…]: starts a server, creates DATABASE and exports the environment.
cluster_start() {
    local database=$1 setting
    shift
    PG_CONFIG=${PG_CONFIG:-pg_config}
    PATH=$("$PG_CONFIG" --bindir):$PATH
    CLUSTER=$(mktemp -d "${TMPDIR:-/tmp}/seqrec.XXXXXX")
    PGDATA=$CLUSTER/data
    if ((EUID == 0)); then chown postgres: "$CLUSTER"; fi
    as_server_user "$(type -P initdb)" -D "$PGDATA" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync >"$CLUSTER/initdb.log" || { cat "$CLUSTER/initdb.log" >&2; return 1; }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$CLUSTER'"
        echo "unix_socket_permissions = 0700"
        echo "fsync = off"
        for setting in "$@"; do echo "${setting%%=*} = '${setting#*=}'"; done
    } >>"$PGDATA/postgresql.conf"
    cluster_pg_ctl start
    export PG_CONFIG PATH PGDATA PGHOST=$CLUSTER PGPORT=5432 PGUSER=postgres PGDATABASE=$database
    unset PGSERVICE PGPASSWORD PGOPTIONS PGHOSTADDR
    [[ $database == postgres ]] || createdb "$database"
}

# pg_ctl on the private server: start, restart, or stop with options.
cluster_pg_ctl() {
    as_server_user "$(type -P pg_ctl)" "$@" -D "$PGDATA" -l "$CLUSTER/server.log" -w -s
}

# Stops the server and removes its folder; with the argument "failed", prints the end of its log first.
cluster_stop() {
    [[ -d ${CLUSTER:-} ]] || return 0
    if [[ ${1:-} == failed && -f $CLUSTER/server.log ]]; then
        {
            echo "--- end of the server log ---"
            tail -n 60 "$CLUSTER/server.log"
            echo "-----------------------------"
        } >&2
    fi
    if [[ -f $PGDATA/postmaster.pid ]]; then
        cluster_pg_ctl stop -m fast -t 30 || cluster_pg_ctl stop -m immediate || true
    fi
    rm -rf "$CLUSTER"
    CLUSTER=
}

cluster_run() {
    local status=0
    trap 'cluster_interrupted 129' HUP
    trap 'cluster_interrupted 130' INT
    trap 'cluster_interrupted 141' PIPE
    trap 'cluster_interrupted 143' TERM
    trap cluster_on_exit EXIT
    cluster_start "${CLUSTER_DATABASE:-seqrec_test}"
    "$@" <&0 & # in the background, so that a signal is answered at once
    CLUSTER_COMMAND=$!
    wait "$CLUSTER_COMMAND" || status=$?
    exit "$status"
}

cluster_interrupted() {
    [[ -z ${CLUSTER_COMMAND:-} ]] || kill "$CLUSTER_COMMAND" 2>/dev/null || true
    exit "$1"
}

cluster_on_exit() {
    local status=$?
    trap '' HUP INT PIPE TERM
    trap - EXIT
    if ((status == 0)); then cluster_stop; else cluster_stop failed; fi
    exit "$status"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
    if (($# == 0)); then
        echo "usage: $0 COMMAND [ARGUMENT...]" >&2
        exit 2
    fi
    cluster_run "$@"
fi
