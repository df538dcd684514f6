#!/usr/bin/python3
"""Text of items and new items on public data, through SQL alone and with default options, beside published figures.

usage: bench/item_text.py [--online-retail FOLDER] [--beauty FOLDER] [--ml-1m FOLDER] [--refresh ITEMS] [--shop] [--kinds NAME,...]
                          [--parts with,without,cold,cold_uncalibrated] [--seeds N] [--options JSON] [--text-model FOLDER]

Online Retail as UniSRec prepares it: a user is an invoice, an item a stock code, rows without a description dropped, each
(invoice, item, quantity, time) once, 5-core; leave-one-out, every item ranked. UniSRec goes through a Python set, so that the
order inside an invoice is drawn by chance, and so it is here, by a seed. Text is the first description of the item.
Amazon Beauty: S3-Rec's 5-core file with the keywords of item_texts.tsv; MovieLens-1M: titles and genres.
Parts: `with` text and `without`, nothing held out whole; `cold`: 5 % of the items held out whole (the default), ranked among
themselves and among everything; `cold_uncalibrated`: the same weights with cold_shift 0. --refresh: how long seqrec_refresh_items
takes with a tenth of so many generated items new. --shop: a small shop whose customers choose at random within a sort of things, so that next to
nothing can be learned but the sort; how seen held-out things are, and what rank a product added afterwards has for who clicks its sort.
Starts a private PostgreSQL (the extension must be installed). Prints a line a run, and means.
"""
import argparse
import gzip
import json
import os
import random
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test" / "integration"))

PUBLISHED = {"online_retail": "SASRec .146/.068, UniSRec .154/.072, TedRec .223/.132; goal .225/.135",
             "beauty": "ids alone .1016/.0627 (this project), best published .1041/.0614; goal: no worse; cold >= 10 x random",
             "ml_1m": "ids alone .3389/.2006 (this project); goal: no worse"}
PARTS = {"without": {}, "with": {"cold_share": 0}, "cold": {}, "cold_uncalibrated": {"cold_shift": 0}}
SHOWN = ("hr@10", "ndcg@10", "valid_ndcg@10", "markov_hr@10", "popularity_hr@10", "cold_items", "cold_questions", "cold_recall@10", "cold_ndcg@10",
         "cold_random_recall@10", "cold_popularity_recall@10", "cold_all_recall@10", "cold_all_ndcg@10", "cold_asked", "cold_exposure@10", "cold_cost@10", "train_seconds")


def load_rows(name, columns, rows):
    """Creates a table and fills it; every value as COPY reads it, None for NULL."""
    from testing import psql

    def text(value):
        return "\\N" if value is None else str(value).replace("\\", "\\\\").replace("\t", " ")

    lines = "\n".join("\t".join(map(text, row)) for row in rows)
    done = psql("-f", "-", input=f"CREATE TABLE {name} ({columns});\nCOPY {name} FROM stdin;\n{lines}\n\\.\nANALYZE {name};\n")
    if done.returncode != 0:
        sys.exit(done.stderr)


def five_core(rows):
    """Rows whose first two values both occur five times and more."""
    while True:
        users, items = (Counter(row[place] for row in rows) for place in (0, 1))
        kept = [row for row in rows if users[row[0]] >= 5 and items[row[1]] >= 5]
        if len(kept) == len(rows):
            return rows
        rows = kept


def load_online_retail(folder):
    from datasets import retail_rows

    rows, titles = {}, {}
    for row in retail_rows(folder):
        if row["Description"]:
            rows[row["InvoiceNo"], row["StockCode"], row["Quantity"], row["InvoiceDate"]] = None
            titles.setdefault(row["StockCode"], row["Description"].strip().lower())
    rows = five_core(list(rows))
    random.Random(1).shuffle(rows)
    items = {row[1] for row in rows}
    print(f"Online Retail: {len({row[0] for row in rows})} invoices, {len(items)} items, {len(rows)} rows", flush=True)
    load_rows("online_retail", "user_id text, item_id text, timestamp timestamp", [(row[0], row[1], row[3]) for row in rows])
    load_rows("online_retail_items", "item_id text, title text", [(item, titles[item]) for item in sorted(items)])
    return {"repeats": "keep"}


def load_beauty(folder):
    rows = []
    for line in (folder / "sequences.txt").read_text().splitlines():
        user, *items = line.split()
        rows += [(user, item, place) for place, item in enumerate(items)]
    load_rows("beauty", "user_id text, item_id text, timestamp int", rows)
    load_rows("beauty_items", "item_id text, title text", [line.split("\t")[:2] for line in (folder / "item_texts.tsv").read_text().splitlines()])
    return {}


def load_ml_1m(folder):
    with gzip.open(folder / "ratings.csv.gz", "rt") as text:
        load_rows("ml_1m", "user_id text, item_id text, timestamp int", [line.rstrip().split(",") for line in list(text)[1:]])
    movies = [line.split("::") for line in (folder / "movies.dat").read_text(encoding="latin-1").splitlines()]
    load_rows("ml_1m_items", "item_id text, title text, genres text", [(row[0], row[1], row[2].replace("|", " ")) for row in movies])
    return {}


def wait_for(job):
    from testing import sql

    while sql(f"SELECT finished_at IS NULL FROM seqrec_jobs WHERE job_id = {job}") == "t":
        time.sleep(0.2)
    sql(f"CALL seqrec_wait({job})")  # which raises what it failed with
    return json.loads(sql(f"SELECT metrics FROM seqrec_jobs WHERE job_id = {job}"))


def chosen(name):
    """What the data decided."""
    from testing import sql

    config = json.loads(sql(f"SELECT config FROM seqrec.models WHERE name = '{name}' AND active"))
    return {option: config[option] for option in ("members", "content_use", "cold_rows", "cold_shift") if option in config}


def train(table, kind, items, options):
    from testing import sql

    with_items = f", items => '{items}'" if items else ""
    return wait_for(sql(f"SELECT seqrec_train('{table}', model => '{table}', kind => '{kind}'{with_items}, options => '{json.dumps(options)}')"))


def measure(table, options, arguments):
    for kind in arguments.kinds.split(","):
        for part in arguments.parts.split(","):
            runs = []
            for seed in range(1, arguments.seeds + 1):
                given = {"holdout": "keep", "seed": seed, **options, **PARTS[part], **arguments.options}
                metrics = train(table, kind, None if part == "without" else f"{table}_items", given)
                runs.append({name: metrics[name] for name in SHOWN if metrics.get(name) is not None})
                compared = {name: metrics[name] for name in ("content_ndcg@10", "cold_rows_ndcg@10") if name in metrics}
                print(f"{table} {kind} {part} seed {seed}: {json.dumps(runs[-1])} {json.dumps({**chosen(table), **compared})}", flush=True)
            means = {name: round(statistics.mean(run[name] for run in runs), 4) for name in runs[0]}
            print(f"{table} {kind} {part}, mean of {len(runs)}: {json.dumps(means)}  ({PUBLISHED[table]})", flush=True)


def measure_refresh(items):
    """Generated titles of a few words; nine in ten are there at the training, the rest are new at the refresh."""
    from testing import sql

    known = items * 9 // 10
    words = "(ARRAY['red','blue','green','small','large','warm','light','old','new','round'])"
    title = f"{words}[1 + n % 10] || ' ' || {words}[1 + n / 10 % 10] || ' thing ' || n / 7 || ' for ' || (ARRAY['home','garden','office','travel'])[1 + n % 4]"
    sql(f"CREATE TABLE many_items AS SELECT 'i' || n AS item_id, {title} AS title FROM generate_series(0, {known - 1}) n")
    sql(f"CREATE TABLE many AS SELECT 'u' || n / 10 AS user_id, 'i' || (n * 7919::bigint % {known}) AS item_id, n AS timestamp FROM generate_series(0, {4 * known - 1}) n")
    train("many", "transformer", "many_items", {"epochs": 1, "members": 1, "holdout": "keep", "index": "ivf", "sampled_items": 256})
    sql(f"INSERT INTO many_items SELECT 'i' || n, {title} FROM generate_series({known}, {items - 1}) n")
    begun = time.monotonic()
    metrics = wait_for(sql("SELECT seqrec_refresh_items('many')"))
    took = time.monotonic() - begun
    print(f"refresh of {items} items, {metrics['items_new']} new: {took:.1f} s from call to end (target 20), of which "
          f"{json.dumps({name: value for name, value in metrics.items() if name in ('refresh_seconds', 'publish_seconds', 'texts_encoded', 'export_seconds')})}, "
          f"{metrics['texts_encoded'] / max(metrics['refresh_seconds'], 1e-9):.0f} texts/s", flush=True)


SHOP = """
CREATE TABLE shop_items AS SELECT sort || n AS item_id,
  (ARRAY['Northfold', 'Arcel', 'Brookline', 'Kestrel', '北脊'])[1 + n % 5] || ' ' || CASE sort
    WHEN 'tent' THEN (ARRAY['two-person tent', 'family tent', 'trekking tent'])[1 + n % 3] WHEN 'lamp' THEN (ARRAY['desk lamp', 'reading lamp', 'floor lamp'])[1 + n % 3]
    WHEN 'zp' THEN (ARRAY['双人帐篷', '家庭帐篷', '露营帐篷'])[1 + n % 3] ELSE (ARRAY['护眼台灯', '阅读台灯', '学习台灯'])[1 + n % 3] END
  || ' ' || (ARRAY['red', 'blue', 'green', 'grey'])[1 + n % 4] AS title
FROM unnest('{tent,lamp,zp,td}'::text[]) sort, generate_series(1, 150) n;
SELECT setseed(0.3);
CREATE TABLE shop AS SELECT user_id, item_id, min(t) AS timestamp FROM (
  SELECT 'u' || u AS user_id, (CASE WHEN random() < .9 THEN (ARRAY['tent', 'lamp', 'zp', 'td'])[1 + u % 4] ELSE (ARRAY['tent', 'lamp', 'zp', 'td'])[1 + floor(random() * 4)::int] END)
         || (1 + floor(150 * random() ^ 1.5)::int) AS item_id, t
  FROM generate_series(1, 800) u, generate_series(1, 10) t) drawn GROUP BY 1, 2;
"""
ADDED = {"tent": "Kestrel family tent orange", "lamp": "Arcel desk lamp orange", "zp": "北脊 双人帐篷 橙色", "td": "Arcel 阅读台灯 orange"}


def measure_shop(arguments):
    from testing import script, sql

    script(SHOP)
    for kind in arguments.kinds.split(","):
        for seed in range(1, arguments.seeds + 1):
            options = {"index": "none", "max_seconds": 60, "seed": seed, **arguments.options}
            metrics = train("shop", kind, "shop_items", options)
            sql("INSERT INTO shop_items VALUES " + ", ".join(f"('added_{sort}', '{title}')" for sort, title in ADDED.items()))
            wait_for(sql("SELECT seqrec_refresh_items('shop')"))
            ranks = [int(sql(f"SELECT rank FROM seqrec_recommend('nobody', ARRAY['{sort}{n}', '{sort}{n + 1}', '{sort}{n + 2}'], 700, 'shop') WHERE item_id = 'added_{sort}'"))
                     for sort in ADDED for n in range(1, 140, 10)]
            sql("DELETE FROM shop_items WHERE item_id LIKE 'added%'")
            told = {name: metrics[name] for name in SHOWN if name.startswith("cold") or name in ("hr@10", "ndcg@10")}
            print(f"shop {kind} seed {seed}: an added product's rank for who clicks its sort (150 of 604): median {statistics.median(ranks):.0f}, among the ten best of "
                  f"{sum(rank <= 10 for rank in ranks)} of {len(ranks)}; {json.dumps(told)} {json.dumps(chosen('shop'))}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--online-retail", type=Path)
    parser.add_argument("--beauty", type=Path)
    parser.add_argument("--ml-1m", type=Path)
    parser.add_argument("--refresh", type=int)
    parser.add_argument("--shop", action="store_true")
    parser.add_argument("--kinds", default="transformer,two_tower")
    parser.add_argument("--parts", default="without,with,cold")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--text-model")
    arguments = parser.parse_args()
    if "PGHOST" not in os.environ or not os.path.exists(os.path.join(os.environ["PGHOST"], "server.log")):
        os.execv(str(ROOT / "demo" / "cluster.sh"), ["cluster.sh", sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
    from testing import sql

    sql("CREATE EXTENSION seqrec")
    if arguments.text_model:
        sql(f"ALTER SYSTEM SET seqrec.text_model = '{arguments.text_model}'")
        sql("SELECT pg_reload_conf()")
    for name, folder, load in (("online_retail", arguments.online_retail, load_online_retail), ("beauty", arguments.beauty, load_beauty),
                               ("ml_1m", arguments.ml_1m, load_ml_1m)):
        if folder:
            measure(name, load(folder), arguments)
    if arguments.shop:
        measure_shop(arguments)
    if arguments.refresh:
        measure_refresh(arguments.refresh)


if __name__ == "__main__":
    main()
