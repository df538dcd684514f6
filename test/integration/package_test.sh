#!/usr/bin/env bash
# The Debian packages of what is built: what is in them, and a private server that has seqrec from them alone.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=test/integration/checks.sh
source "$root/test/integration/checks.sh"
major=$(pg_config --version | sed -E 's/^PostgreSQL ([0-9]+).*/\1/')

check "packages are made" "$root/packaging/build-packages" "$work/packages"
server=$(echo "$work"/packages/postgresql-"$major"-seqrec_*.deb)
http=$(echo "$work"/packages/seqrec-http_*.deb)

has_files() { # package, file…
    local file
    dpkg-deb -c "$1" | awk '{print $1, $2, $6}' >"$work/listing"
    for file in "${@:2}"; do grep -qF -- "root/root ./$file" "$work/listing" || { echo "$file is missing"; cat "$work/listing"; return 1; }; done
}
check "the extension and the trainer in one" has_files "$server" "usr/lib/postgresql/$major/lib/seqrec.so" "usr/lib/postgresql/$major/bin/seqrec-trainer" \
    "usr/share/postgresql/$major/extension/seqrec.control" "usr/share/postgresql/$major/extension/seqrec--0.1.0--0.2.0.sql" \
    "usr/share/doc/postgresql-$major-seqrec/copyright" "usr/share/doc/postgresql-$major-seqrec/examples/roles.sql"
check "the HTTP server and its units in the other" has_files "$http" usr/bin/seqrec-http usr/lib/systemd/system/seqrec-http.service \
    usr/lib/systemd/system/seqrec-http.socket etc/seqrec/http.env usr/share/doc/seqrec-http/copyright

says() { # package, field, extended regular expression
    dpkg-deb -f "$1" "$2" | tee "$work/field" | grep -qE -- "$3" || { cat "$work/field"; return 1; }
}
minor=$(pg_config --version | sed -E 's/^PostgreSQL ([0-9.]+).*/\1/')
check "needs the server of its major version, as new as the headers" says "$server" Depends "(^| )postgresql-$major \\(>= $minor\\)(,|$)"
check "needs libtorch, as the linker says" says "$server" Depends '(^| )libtorch[0-9.]+ '
check "has the version of the control file" says "$server" Version "^$(sed -nE "s/^default_version = '(.*)'/\1/p" "$root/seqrec.control")[~+].*deb[0-9]"
check "needs libpq" says "$http" Depends '(^| )libpq5 '
needs_no() { ! says "$@" >/dev/null; }
check "HTTP needs neither libtorch nor a server" needs_no "$http" Depends 'torch|postgresql'

# A copy of PostgreSQL, which finds its files from where it stands, with nothing of seqrec but the packages'.
unpack_beside_a_server() {
    local bin share place
    bin=$(pg_config --bindir) share=$(pg_config --sharedir)
    place=$work/root/usr
    mkdir -p "$place/lib/postgresql" "$place/share/postgresql"
    cp -a "${bin%/bin}" "$place/lib/postgresql/$major"
    cp -a "$share" "$place/share/postgresql/$major"
    find "$work/root" -name 'seqrec*' -delete
    dpkg-deb -x "$server" "$work/root"
    dpkg-deb -x "$http" "$work/root"
    chmod -R a+rX "$work"
}

serve() { # in a process of its own: the variables of the cluster are its own, too
    # shellcheck source=demo/cluster.sh
    source "$root/demo/cluster.sh"
    PG_CONFIG=$work/root/usr/lib/postgresql/$major/bin/pg_config
    TMPDIR=$work cluster_start unpacked
    trap 'kill $http_server 2>/dev/null; cluster_stop' EXIT
    http_server=
    [[ $(type -P postgres) == "$work/root/"* ]]
    psql -X -q -v ON_ERROR_STOP=1 <<'END'
CREATE EXTENSION seqrec;
CREATE TABLE ratings AS SELECT 'u' || u AS user_id, 'i' || (u * 7 + t) % 20 AS item_id, to_timestamp(1700000000 + u * 1000 + t) AS timestamp
FROM generate_series(1, 100) u, generate_series(1, 10) t;
SELECT seqrec_train('ratings', options => '{"epochs": 2, "dim": 16, "members": 1}') AS job \gset
CALL seqrec_wait(:job);
END
    local address attempt
    SEQREC_LISTEN=127.0.0.1:0 "$work/root/usr/bin/seqrec-http" 2>"$work/http.log" &
    http_server=$!
    for ((attempt = 0; attempt < 100; attempt++)); do
        address=$(sed -nE 's|.*listening on (http://[0-9.:]+).*|\1|p' "$work/http.log")
        [[ -z $address ]] || ! curl -sf -o /dev/null "$address/readyz" || break
        kill -0 "$http_server" 2>/dev/null || break
        sleep 0.1
    done
    curl -sS --fail-with-body -H 'Content-Type: application/json' -d '{"user_id": "u1", "recent_clicks": ["i3"], "top_k": 3}' "$address/recommend" |
        tee "$work/answer" | grep -q '"recommended_item_ids":\["i' || { cat "$work/answer" "$work/http.log"; return 1; }
}

check "a server that has it from the packages trains and answers" bash -c "$(declare -f unpack_beside_a_server serve); set -euo pipefail; work='$work' root='$root' major='$major' server='$server' http='$http'; unpack_beside_a_server; serve"

finish
