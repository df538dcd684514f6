# How scripts show how far something is: a bar under the lines on a terminal, nothing elsewhere. Sourced.
# shellcheck shell=bash

if [[ -t 1 ]]; then
    BOLD=$'\e[1m' PLAIN=$'\e[0m'
else
    BOLD='' PLAIN=''
fi
export BOLD PLAIN

draw_bar() { # percent, what is going on
    [[ -t 1 ]] || return 0
    local filled=$(($1 * 30 / 100)) bar
    printf -v bar '%*s' "$filled" ''
    printf '\r\e[K[%-30s] %3d%%  %s' "${bar// /#}" "$1" "$2"
}

clear_bar() {
    if [[ -t 1 ]]; then printf '\r\e[K'; fi
}
