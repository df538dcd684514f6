#!/usr/bin/python3
"""seqrec_export: the files, who gets them, and the example of docs/export.md, which must give the scores of seqrec_score. Needs NumPy."""

import json
import os
import re
import subprocess
import tempfile

import numpy

from clusters import ROOT
from testing import main, make_ratings, refused, sql

SMALL = """'{"epochs": 2, "dim": 16, "max_len": 20, "members": 2, "layers": 2, "threads": 1, "user_dropout": 0.5, "index": "none"}'"""
FILES = ["config.json", "item_embeddings.npy", "item_map.json", "model.safetensors", "user_map.json"]
folder = tempfile.mkdtemp(dir=os.environ["PGHOST"])  # which goes with the server


def block(language, document="docs/export.md"):
    """The one block of code of a document in a language."""
    with open(os.path.join(ROOT, document), encoding="utf-8") as file:
        (code,) = re.findall(rf"```{language}\n(.*?)```", file.read(), re.S)
    return code


def exported(name):
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def run(command):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def train():
    job = sql(f"SELECT seqrec_train('ratings', options => {SMALL})")
    sql(f"CALL seqrec_wait({job})")


def is_written_as_documented():
    sql("CREATE EXTENSION seqrec")
    make_ratings()
    sql("INSERT INTO ratings SELECT '用户' || n % 2, 'a \"quoted\" | id' || n, timestamptz '2026-02-01' + make_interval(hours => n) FROM generate_series(1, 6) n")
    train()
    run(["bash", "-euc", block("sh")])
    assert sorted(os.listdir(folder)) == FILES, os.listdir(folder)


def the_example_gives_the_scores_of_seqrec_score():
    lines = [line.rsplit(" ", 1) for line in run(["/usr/bin/python3", "-c", block("python")]).splitlines()]
    said = json.loads(sql("SELECT jsonb_object_agg(item_id, score) FROM seqrec_score('u42', '{}', (SELECT array_agg(item_id) FROM seqrec.items)::seqrec.id[])"))
    assert len(said) == len(lines) == 66, (len(said), len(lines))
    for item, score in lines:
        assert abs(float(score) - said[item]) < 2e-6, (item, score, said[item])
    assert [score for _, score in lines] == sorted((score for _, score in lines), key=float, reverse=True)
    for language in ("sh", "python"):
        assert block(language) == block(language, "docs/export.zh-CN.md"), language


def files_say_what_the_tables_say():
    items, maps = numpy.load(os.path.join(folder, "item_embeddings.npy")), {}
    for side in ("item", "user"):
        maps[side] = json.loads(exported(f"{side}_map.json"))
        assert maps[side] == json.loads(sql(f"SELECT jsonb_object_agg({side}_id, idx) FROM seqrec.{side}s")), side
    assert "用户1" in maps["user"] and 'a "quoted" | id3' in maps["item"], maps
    assert items.dtype == numpy.dtype("<f4") and items.shape == (66, 32), items.shape
    given = json.loads(sql("SELECT to_jsonb(seqrec_item_embedding('i7'))"))
    assert numpy.abs(items[maps["item"]["i7"]] - numpy.array(given)).max() < 1e-7
    config = json.loads(exported("config.json"))
    assert (config["model"], config["kind"], config["score"]["link"]) == ("default", "transformer", "cosine"), config
    assert config["source"] == {"relation": "public.ratings", "user_column": "user_id", "item_column": "item_id", "time_column": "timestamp"}, config
    assert config["version"] == sql("SELECT version FROM seqrec_models") and config["metrics"]["users"] == 302, config


def the_model_is_a_whole_safetensors_file():
    raw = exported("model.safetensors")
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    metadata = header.pop("__metadata__")
    assert metadata["format"] == "seqrec-model/2" and json.loads(metadata["config"])["members"] == 2, metadata
    ends = sorted(tensor["data_offsets"] for tensor in header.values())
    assert ends[0][0] == 0 and ends[-1][1] == len(raw) - start and all(a[1] == b[0] for a, b in zip(ends, ends[1:])), ends
    names = set(json.loads(sql("SELECT jsonb_agg(DISTINCT name) FROM seqrec.weights")))
    assert set(header) == names | {"item.embedding", "item.popularity", "user.embedding"}, set(header) ^ names
    for name in ("member.1.norm.weight", "click.length"):
        begin, end = header[name]["data_offsets"]
        stored = sql(f"SELECT encode(data, 'hex') FROM seqrec.weights WHERE name = '{name}' AND part = 0")
        assert raw[start + begin : start + end].hex() == stored, name


def only_its_owner_gets_it():
    sql("CREATE ROLE reader LOGIN; CREATE ROLE trainer LOGIN; GRANT USAGE ON SCHEMA public TO reader, trainer; CREATE ROLE colleague LOGIN IN ROLE trainer")
    refused("SELECT file FROM seqrec_export()", "42501", "seqrec_export", user="reader")
    sql("GRANT EXECUTE ON FUNCTION seqrec_export, seqrec_recommend TO reader, colleague; SELECT seqrec_set_owner('default', 'trainer')")
    refused("SELECT file FROM seqrec_export()", "42501", "trainer", user="reader")
    assert sql("SELECT string_agg(file, ',' ORDER BY file) FROM seqrec_export()", user="colleague") == ",".join(FILES)


def versions_by_their_uuid():
    first = sql("SELECT version FROM seqrec_models")
    train()
    version = "SELECT convert_from(content, 'UTF8')::jsonb->>'version' FROM seqrec_export({}) WHERE file = 'config.json'"
    assert sql(version.format(f"'{first}'")) == first != sql(version.format(""))
    refused("SELECT file FROM seqrec_export('nobody')", "42704", "seqrec_models")
    refused("SELECT file FROM seqrec_export(NULL)", "22004", "model")


if __name__ == "__main__":
    main(is_written_as_documented, the_example_gives_the_scores_of_seqrec_score, files_say_what_the_tables_say, the_model_is_a_whole_safetensors_file,
         only_its_owner_gets_it, versions_by_their_uuid)
