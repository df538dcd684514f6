#!/usr/bin/env bash
# The demo: ratings files of every form, and the whole way from a file to an answer over HTTP.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=test/integration/checks.sh
source "$root/test/integration/checks.sh"

reads_as() { # expected rows, file
    diff <(printf '%b' "$1") <("$root/demo/read_ratings.py" "$2" 2>/dev/null)
}

reads_in_ascii_as() { # the same, where Python would write ASCII
    LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 reads_as "$@"
}

refuses() { # part of the message, file
    ! "$root/demo/read_ratings.py" "$2" >"$work/refused" 2>&1 && grep -q "$1" "$work/refused"
}

benchmark_refuses() { # part of the message, Python that reads the folder of data
    ! PYTHONPATH=$root/bench PYTHONDONTWRITEBYTECODE=1 python3 -c "import sys, pathlib; folder = pathlib.Path(sys.argv[1]); $2" "$work" >"$work/refused" 2>&1 &&
        grep -q "$1" "$work/refused"
}

printf 'u1::m1::5::100\nu1::m2::3::200\n' >"$work/ratings.dat"
printf 'u1\tm1\t5\t100\nu1\tm2\t3\t200\n' >"$work/u.data"
printf '\xef\xbb\xbfuserId,movieId,rating,timestamp\r\nu1,m1,5,100\r\nu1,m2,3,200\r\n' >"$work/header.csv"
printf 'u1,m1,100\nu1,m2,200\n' >"$work/plain.csv"
printf 'time;item;user\n2026-01-02 03:04:05;"a;b";u1\n' >"$work/semicolon.csv"
printf 'user_id,item_id,timestamp\nu1,m1,100\n,m1,1\nu1,,2\nu1\nu1,m2,200\n' >"$work/holes.csv"
printf 'user_id,item_id,price\nu1,m1,100\n' >"$work/no_time.csv"
printf '\n \nu1,m1,100\nu1,m2,200\n' >"$work/blank_lines.csv"
printf 'a,b\nc,d\n' >"$work/two_columns.csv"
: >"$work/empty.csv"
gzip -c "$work/plain.csv" >"$work/plain.csv.gz"
printf 'user_id:token\titem_id:token\trating:float\ttimestamp:float\nu1\tm1\t5\t100\nu1\tm2\t3\t200\n' >"$work/recbole.inter"
printf 'user,item,time\nu1,Café,100\nu1,Cafè,200\n' >"$work/accents.csv"
iconv -t UTF-16 "$work/accents.csv" >"$work/utf16.csv"
(printf '\xfe\xff' && iconv -t UTF-16BE "$work/accents.csv") | gzip -c >"$work/utf16be.csv.gz"
iconv -t UTF-32 "$work/accents.csv" >"$work/utf32.csv"
iconv -t UTF-16LE "$work/accents.csv" >"$work/unmarked.csv"
iconv -t LATIN1 "$work/accents.csv" >"$work/latin1.csv"
head -c 77 "$work/utf16.csv" >"$work/cut.csv"
{ printf 'user,item,time\nu1,m1,1\nu2,' && head -c 140000 /dev/zero | tr '\0' x && printf ',2\n'; } >"$work/long.csv"
printf 'user,item,time\n"u\n1",m1,1\nu2,"m2,2\nu3,m3,3\n' >"$work/quote.csv"
printf 'kunde,artikel,wann\nu1,m1,1\n' >"$work/other_names.csv"
printf 'user_id:token\titem_id:token\trating:float\nu1\tm1\t5\n' >"$work/no_time.inter"

{ printf 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,a,Voucher,1,2010-12-20 10:14:00,1,7,UK\n' &&
    printf '1,b,Voucher \xa340,1,2010-12-20 10:14:00,1,7,UK\n'; } | gzip -c >"$work/online_retail.csv.gz"

for file in ratings.dat u.data header.csv plain.csv plain.csv.gz holes.csv blank_lines.csv recbole.inter; do
    check "reads $file" reads_as 'u1,m1,100\nu1,m2,200\n' "$work/$file"
done
check "reads semicolon.csv" reads_as 'u1,a;b,2026-01-02 03:04:05\n' "$work/semicolon.csv"
for file in accents.csv utf16.csv utf16be.csv.gz utf32.csv; do
    check "reads $file" reads_as 'u1,Café,100\nu1,Cafè,200\n' "$work/$file"
    check "reads $file whatever the locale" reads_in_ascii_as 'u1,Café,100\nu1,Cafè,200\n' "$work/$file"
done
check "refuses Latin-1, which would make one item of two" refuses 'line 2 is not in UTF-8.*iconv' "$work/latin1.csv"
check "refuses UTF-16 without a mark" refuses 'line 1 has a zero byte.*UTF-16' "$work/unmarked.csv"
check "refuses half a character" refuses 'line 3 is not in UTF-16' "$work/cut.csv"
check "refuses a field of more than 128 kB" refuses 'begins in line 3 .*field larger than' "$work/long.csv"
check "refuses a quote that swallows rows" refuses 'begins in line 4 .*quote' "$work/quote.csv"
check "refuses a header that it does not know" refuses "can't tell.*kunde" "$work/other_names.csv"
check "refuses RecBole's file without times" refuses 'no column for: time' "$work/no_time.inter"
check "refuses a file without times" refuses 'no column for: time' "$work/no_time.csv"
check "refuses two columns" refuses "can't tell" "$work/two_columns.csv"
check "refuses an empty file" refuses 'is empty' "$work/empty.csv"
for reader in 'import datasets; list(datasets.read_online_retail(folder))' 'import item_text; item_text.load_online_retail(folder)' \
    'import context; context.load_online_retail(folder)' 'import datasets; list(datasets.read_csv(folder / "latin1.csv", ("item",), str))'; do
    check "a benchmark replaces nothing: $reader" benchmark_refuses 'after line [0-2]: UnicodeDecodeError' "$reader"
done
check "refuses a missing file" refuses 'No such file' "$work/missing.csv"

# Walks over twenty items: what follows is known from the item before.
awk 'BEGIN { for (u = 1; u <= 200; u++) for (t = 0; t < 10; t++)
             printf "u%d::i%d::4::%d\n", u, (u * 7 + t) % 20, 1700000000 + u * 1000 + t }' >"$work/walks.dat"

demo_to_the_end() {
    mkdir "$work/tmp"
    chmod 711 "$work"
    chmod 777 "$work/tmp"
    if ! { TMPDIR=$work/tmp "$root/demo/run" --once --ratings "$work/walks.dat" \
        --options '{"epochs": 2, "dim": 16, "members": 2}' >"$work/demo" 2>&1 &&
        grep -q '^epoch   2   network 1 of 2   loss' "$work/demo" && grep -q '^epoch   4   network 2 of 2   loss' "$work/demo" && grep -q 'this model' "$work/demo" &&
        grep -q '"recommended_item_ids":\["i' "$work/demo"; }; then
        cat "$work/demo"
        return 1
    fi
    [[ -z $(ls -A "$work/tmp") ]] || { ls -la "$work/tmp"; return 1; }
}
check "a ratings file, trained and served, nothing left behind" demo_to_the_end

demo_of_a_failing_training() {
    mkdir -p "$work/tmp"
    ! TMPDIR=$work/tmp "$root/demo/run" --once --ratings "$work/walks.dat" --options '{"dimension": 16}' \
        >"$work/demo" 2>&1 && grep -q 'unknown option' "$work/demo" && [[ -z $(ls -A "$work/tmp") ]]
}
check "an error is shown and nothing left behind" demo_of_a_failing_training

the_shop_is_the_same_everywhere() {
    psql -X -q -v ON_ERROR_STOP=1 -f "$root/demo/shop.sql"
    psql -X -q -A -t -c "SELECT md5(string_agg(r::text, E'\n' ORDER BY timestamp, user_id COLLATE \"C\", item_id COLLATE \"C\")) FROM
        (SELECT user_id, item_id, extract(epoch FROM timestamp)::bigint AS timestamp FROM ratings) AS r" |
        tee "$work/digest"
    grep -q "^88c5dd4b67b25442332ac0547c5e7363\$" "$work/digest"
}
check "the shop is the same on every machine" the_shop_is_the_same_everywhere

finish
