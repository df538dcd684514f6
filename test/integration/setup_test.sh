#!/usr/bin/env bash
# ./dev setup and ./dev demo with an apt-get, a dpkg and a sudo that only note what they are told.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=test/integration/checks.sh
source "$root/test/integration/checks.sh"

# A tree of its own with what ./dev looks at, so that logs and packages of the real one stay.
tree=$work/tree
mkdir -p "$tree/build" "$work/bin"
cp "$root/dev" "$root/seqrec.control" "$tree"
cp -r "$root/demo" "$tree"
for folder in core src trainer sidecar sql; do mkdir "$tree/$folder"; done
touch "$tree"/{core,src}/some.cpp

stub() { # name; the script comes on standard input
    { echo '#!/bin/bash'; cat; } >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}
stub sudo <<'END'
[[ $1 != -- ]] || shift
exec "$@"
END
stub apt-get <<'END'
if [[ " $* " == *" -s "* ]]; then # what it would do
    [[ -z ${UNMET:-} || $* != *"=15.1-old"* ]] || exit 100
    [[ -z ${NEWER_SERVER:-} || $* == *"=15.1-old"* ]] || echo "Inst postgresql-15 [15.1-old] (15.2-new Debian:12/stable [amd64])"
    echo "Inst cmake (1.0 Debian:12/stable [amd64])"
    exit
fi
echo "apt-get $*" >>"$APT_CALLS"
echo "dlstatus:1:50:Retrieving file 1 of 1"
for ((i = 1; i <= 400; i++)); do echo "apt says line $i"; done
[[ -z ${APT_FAILS:-} || $* != *install* ]] || { echo "E: no room left"; exit 100; }
echo "pmstatus:g++:100:Installed g++"
END
# All is installed but what MISSING names.
stub dpkg-query <<'END'
all="g++ cmake make libopenblas0-pthread nlohmann-json3-dev libpq-dev libxxhash-dev libicu-dev libgtest-dev libjs-chart.js python3 curl
    libboost1.81-dev libboost1.83-dev libtorch-dev postgresql-15 postgresql-server-dev-15 postgresql-17 postgresql-server-dev-17 postgresql-common"
[[ $* != *Version* ]] || { [[ -n ${INSTALLED:-} ]] && echo "installed $INSTALLED"; exit; }
for name in $all; do [[ " ${MISSING:-} " == *" $name "* ]] || echo "installed $name"; done
END
stub apt-cache <<'END'
[[ $* != "madison libpq-dev" || -z ${OLDER_HEADERS:-} ]] || echo " libpq-dev | 15.1-old | http://deb.example bookworm/main amd64 Packages"
END
stub dpkg <<'END'
case $1 in --print-architecture) echo amd64 ;; --verify) [[ -z ${CHANGED:-} ]] || echo "??5?????? $2" ;; esac
END
stub dpkg-deb <<'END'
if [[ $3 == Package ]]; then basename "$2" | cut -d _ -f 1; else basename "$2" | cut -d _ -f 2; fi
END

# shellcheck disable=SC1091
debian=$(. /etc/os-release && echo "$VERSION_ID")
case $debian in 12) major=15 ;; *) major=17 ;; esac

dev() { # NAME=VALUE… , arguments of ./dev
    : >"$work/calls"
    env PATH="$work/bin:$PATH" APT_CALLS="$work/calls" PG_CONFIG="/usr/lib/postgresql/$major/bin/pg_config" "${@:1:$#-1}" "$tree/dev" "${@: -1}" >"$work/said" 2>&1
}
told() { grep -qE -- "$1" "$work/calls" || { cat "$work/calls" "$work/said"; return 1; }; }
said() { grep -qE -- "$1" "$work/said" || { cat "$work/said"; return 1; }; }

nothing_missing() { dev setup && [[ ! -s $work/calls ]]; }
check "nothing is asked for when nothing is missing" nothing_missing

what_is_missing() {
    dev "MISSING=cmake curl" setup && told 'install .*--no-upgrade cmake curl$' && ! grep -q 'g++' "$work/calls"
}
check "what is missing is installed, what is there stays as it is" what_is_missing

keeps_the_server() {
    dev "MISSING=cmake libpq-dev" NEWER_SERVER=1 OLDER_HEADERS=1 INSTALLED=15.1-old setup && told 'install .*--no-upgrade cmake libpq-dev=15.1-old$' &&
        ! grep -qE 'install .*postgresql-[0-9]+( |=|$)' "$work/calls"
}
check "headers come in the version of the server that is here, which stays" keeps_the_server

leaves_the_server() {
    ! dev "MISSING=cmake libpq-dev" NEWER_SERVER=1 INSTALLED=15.1-old setup && said 'would replace postgresql-15.*upgrade it when that suits' &&
        ! grep -q 'install' "$work/calls"
}
check "where only a newer server would do nothing is installed, and it says so" leaves_the_server

tells_what_apt_says() {
    ! dev "MISSING=cmake libpq-dev" NEWER_SERVER=1 OLDER_HEADERS=1 INSTALLED=15.1-old UNMET=1 APT_FAILS=1 setup && said 'E: no room left'
}
check "where apt knows no way that is told, and not passed over" tells_what_apt_says

is_quiet() {
    dev "MISSING=cmake" setup && said '^Installing 1 packages .*cmake' && said 'installing: 100 %' && ! grep -q 'apt says' "$work/said" &&
        grep -q 'apt says line 400' "$tree/build/apt.log"
}
check "apt's lines go into a log" is_quiet

shows_failures() {
    ! dev "MISSING=cmake" APT_FAILS=1 setup && said 'E: no room left' && said 'apt-get install failed' && said 'apt.log' &&
        (($(wc -l <"$work/said") < 60))
}
check "the end of the log is shown when apt fails" shows_failures

# The demo's own script is not wanted here.
printf '#!/bin/bash\necho "the demo runs"\n' >"$tree/demo/run"
make_packages() { # folder
    local name
    mkdir -p "$1"
    for name in "postgresql-$major-seqrec" seqrec-http; do touch "$1/${name}_0.2.0+deb${debian}_amd64.deb"; done
}
stub make <<'END'
[[ $* != *objects* ]] || exec echo 7
echo "make $*" >>"$APT_CALLS"
for percent in 0 10 40 70 100; do
    echo "[ $percent%] Building CXX object core/CMakeFiles/x.dir/some.cpp.o"
    echo "Building CXX object build/extension/some.o"
done
echo "some.cpp:1:2: warning: look here" >&2
[[ -z ${MAKE_FAILS:-} ]] || exit 2
END

compiles_without_packages() { dev demo && told '^make ' && said 'the demo runs'; }
check "without packages the demo compiles" compiles_without_packages

compiling_is_quiet() {
    dev build && said '^compiling: [0-9]+ %' && said 'warning: look here' && ! grep -q 'Building' "$work/said" &&
        ! dev MAKE_FAILS=1 build && said 'compiling failed'
}
check "compiling says how far it is, what compilers say, and whether it failed" compiling_is_quiet

takes_packages() {
    make_packages "$tree/build"
    dev demo && told "install .*/postgresql-$major-seqrec_0.2.0.*deb .*/seqrec-http_0.2.0.*deb" && ! grep -q '^make' "$work/calls" && said 'the demo runs'
}
check "with packages it installs those" takes_packages

installs_once() { dev "INSTALLED=0.2.0+deb$debian" demo && [[ ! -s $work/calls ]]; }
check "once" installs_once

installs_again() { dev "INSTALLED=0.2.0+deb$debian" CHANGED=1 demo && told 'install .*seqrec-http_'; }
check "again where their files are others now" installs_again

prefers_newer_sources() {
    touch -d '+1 hour' "$tree/core/newer.cpp"
    dev demo && told '^make ' && ! grep -q 'deb$' "$work/calls"
}
check "compiles where a source is newer" prefers_newer_sources

takes_those_it_is_given() {
    make_packages "$work/given"
    dev SEQREC_PACKAGE="$work/given" demo && told "given/seqrec-http_" && ! dev SEQREC_PACKAGE="$work" demo && said 'no packages for Debian'
}
check "SEQREC_PACKAGE says where they are, and is not passed over" takes_those_it_is_given

finish
