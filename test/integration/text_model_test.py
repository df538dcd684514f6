#!/usr/bin/python3
# Runs first: it takes a minute
"""Language models of random weights: the trainer's vectors against a forward pass in NumPy. Needs NumPy."""

import json
import os
import struct
import subprocess
import tempfile

import numpy

from clusters import ROOT
from testing import main

TRAINER = os.path.join(ROOT, "build", "seqrec-trainer")
HERE = os.environ["PGHOST"]  # the server's folder, which goes with it
WORDS = [f"{first}{second}" for first in "bcdfgklmnprstvz" for second in "aeiou"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = SPECIAL + WORDS + ["##x", "帐", "篷", ","]
SIZES = {"vocab_size": len(VOCABULARY), "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 40,
         "max_position_embeddings": 64, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "model_type": "bert"}
TEXTS = [["ba"], ["帐", "篷"], ["ba", "ce", "di", ","], ["zu"] * 9 + ["ta"], [WORDS[i * 7 % 75] for i in range(30)], [WORDS[i % 75] for i in range(61)]]
ERF = numpy.vectorize(__import__("math").erf)


def tensors(sizes, random):
    """Weights by the names of Hugging Face's BERT."""
    hidden, inner = sizes["hidden_size"], sizes["intermediate_size"]
    made = {}

    def add(name, *shape):
        made[name] = random.normal(0, 0.3, shape) + ("LayerNorm.weight" in name)

    def linear(name, out, into):
        add(name + ".weight", out, into)
        add(name + ".bias", out)

    def norm(name):
        add(name + ".weight", hidden)
        add(name + ".bias", hidden)

    add("embeddings.word_embeddings.weight", sizes["vocab_size"], hidden)
    add("embeddings.position_embeddings.weight", sizes["max_position_embeddings"], hidden)
    add("embeddings.token_type_embeddings.weight", sizes["type_vocab_size"], hidden)
    norm("embeddings.LayerNorm")
    for i in range(sizes["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            linear(layer + part, hidden, hidden)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", inner, hidden)
        linear(layer + "output.dense", hidden, inner)
        norm(layer + "output.LayerNorm")
    return made


def as_stored(value, dtype):
    """Bytes of an array in a type of safetensors, and the numbers that they are."""
    if dtype == "F32":
        stored = value.astype("<f4")
        return stored.tobytes(), stored.astype(float)
    if dtype == "F16":
        stored = value.astype("<f2")
        return stored.tobytes(), stored.astype(float)
    bits = value.astype("<f4").view("<u4")
    bits = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")
    return bits.tobytes(), (bits.astype("<u4") << 16).view("<f4").astype(float)


def write_weights(path, made, dtype, prefix, odd):
    """A safetensors file; `odd`: its tensors begin at an odd byte, as in files of early versions."""
    header, data, seen = {"__metadata__": {"format": "pt"}}, b"", {}
    for name, value in made.items():
        content, seen[name] = as_stored(value, dtype)
        header[prefix + name] = {"dtype": dtype, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * ((8 - len(text) % 8) % 8 + (3 if odd else 0))
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)
    return seen


def write_folder(folder, sizes, dtype="F32", prefix="", odd=False, modules=(), pooling=None, seed=1):
    """A model folder; returns its weights as they were stored."""
    def write(name, content):
        os.makedirs(os.path.dirname(os.path.join(folder, name)), exist_ok=True)
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(content if isinstance(content, str) else json.dumps(content))

    write("config.json", sizes)
    write("vocab.txt", "".join(word + "\n" for word in VOCABULARY))
    if modules:
        write("modules.json", [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + name} for i, (name, path) in enumerate(modules)])
    if pooling:
        write("1_Pooling/config.json", pooling)
    return write_weights(os.path.join(folder, "model.safetensors"), tensors(sizes, numpy.random.default_rng(seed)), dtype, prefix, odd)


def activation(x, name):
    if name == "relu":
        return numpy.maximum(x, 0)
    if name == "gelu_new":
        return 0.5 * x * (1 + numpy.tanh(numpy.sqrt(2 / numpy.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + ERF(x / numpy.sqrt(2)))


def forward(weights, sizes, ids):
    """The last hidden states of one text, in double precision."""
    def linear(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    def norm(x, name):
        centred = x - x.mean(1, keepdims=True)
        scaled = centred / numpy.sqrt((centred**2).mean(1, keepdims=True) + sizes["layer_norm_eps"])
        return scaled * weights[name + ".weight"] + weights[name + ".bias"]

    x = weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    width = sizes["hidden_size"] // sizes["num_attention_heads"]
    for i in range(sizes["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        query, key, value = (linear(x, layer + "attention.self." + part) for part in ("query", "key", "value"))
        heads = []
        for head in range(sizes["num_attention_heads"]):
            part = slice(head * width, (head + 1) * width)
            scores = query[:, part] @ key[:, part].T / numpy.sqrt(width)
            scores = numpy.exp(scores - scores.max(1, keepdims=True))
            heads.append(scores / scores.sum(1, keepdims=True) @ value[:, part])
        x = norm(x + linear(numpy.concatenate(heads, 1), layer + "attention.output.dense"), layer + "attention.output.LayerNorm")
        inner = activation(linear(x, layer + "intermediate.dense"), sizes["hidden_act"])
        x = norm(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
    return x


def expected(weights, sizes, cls, normalize):
    rows = []
    for words in TEXTS:
        ids = [VOCABULARY.index(word) for word in ["[CLS]", *words, "[SEP]"]]
        hidden = forward(weights, sizes, ids)
        vector = hidden[0] if cls else hidden.mean(0)
        rows.append(vector / numpy.linalg.norm(vector) if normalize else vector)
    return numpy.array(rows)


def embed(folder, texts, isa=""):
    path = os.path.join(tempfile.mkdtemp(dir=HERE), "texts.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(texts, file)
    done = subprocess.run([TRAINER, "embed-text", folder, path], capture_output=True, text=True, timeout=120, env={**os.environ, "SEQREC_ISA": isa})
    assert done.returncode == 0, done.stderr
    return numpy.array(json.loads(done.stdout)["vectors"])


def compare(sizes=None, cls=False, normalize=True, **options):
    sizes = {**SIZES, **(sizes or {})}
    folder = tempfile.mkdtemp(dir=HERE)
    weights = write_folder(folder, sizes, **options)
    wanted, texts = expected(weights, sizes, cls, normalize), [" ".join(words) for words in TEXTS]
    for isa in ("portable", "avx2", "avx512"):
        worst = numpy.abs(embed(folder, texts, isa) - wanted).max()
        assert worst < 1e-4, (isa, worst)
    # bfloat16 where the CPU has it: eight bits of each factor
    rounded = embed(folder, texts)
    cosines = (rounded * wanted).sum(1) / numpy.linalg.norm(rounded, axis=1) / numpy.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.998, cosines


def modes(name):
    return {f"pooling_mode_{mode}": mode == name for mode in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")}


TRANSFORMER, POOLING, NORMALIZE = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")


def bert_with_cls():
    compare(cls=True, normalize=False, prefix="bert.", modules=(TRANSFORMER, POOLING), pooling=modes("cls_token"))


def minilm_with_mean_and_unit_length():
    compare(modules=(TRANSFORMER, POOLING, NORMALIZE), pooling=modes("mean_tokens"))


def bge_with_cls_and_unit_length():
    compare(cls=True, modules=(TRANSFORMER, POOLING, NORMALIZE), pooling=modes("cls_token"), sizes={"layer_norm_eps": 1e-5})


def a_folder_that_says_nothing_of_pooling():
    compare()


def half_precision_and_bfloat16():
    compare(dtype="F16", prefix="bert.")
    compare(dtype="BF16")


def tensors_at_odd_places():
    compare(odd=True)


def other_activations():
    compare(sizes={"hidden_act": "gelu_new"})
    compare(sizes={"hidden_act": "relu"})


def sizes_that_fill_no_vector():
    compare(sizes={"hidden_size": 21, "num_attention_heads": 3, "intermediate_size": 33})
    compare(sizes={"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96, "num_hidden_layers": 1})


def long_texts_are_cut():
    folder = tempfile.mkdtemp(dir=HERE)
    write_folder(folder, SIZES)
    words = [WORDS[i % 75] for i in range(500)]
    long, cut, shorter = embed(folder, [" ".join(words), " ".join(words[:62]), " ".join(words[:61])], "avx2")
    assert numpy.abs(long - cut).max() < 1e-6 < numpy.abs(long - shorter).max()


def a_broken_folder_is_named():
    folder = tempfile.mkdtemp(dir=HERE)
    write_folder(folder, SIZES)
    os.truncate(os.path.join(folder, "model.safetensors"), 3000)
    done = subprocess.run([TRAINER, "embed-text", folder, os.path.join(folder, "config.json")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "no JSON array" in done.stderr, done.stderr
    with open(os.path.join(folder, "texts.json"), "w", encoding="utf-8") as file:
        file.write('["ba"]')
    done = subprocess.run([TRAINER, "embed-text", folder, os.path.join(folder, "texts.json")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "XX001" in done.stderr and folder in done.stderr, done.stderr


if __name__ == "__main__":
    main(bert_with_cls, minilm_with_mean_and_unit_length, bge_with_cls_and_unit_length, a_folder_that_says_nothing_of_pooling, half_precision_and_bfloat16,
         tensors_at_odd_places, other_activations, sizes_that_fill_no_vector, long_texts_are_cut, a_broken_folder_is_named)
