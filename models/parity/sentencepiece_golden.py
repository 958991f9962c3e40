#!/usr/bin/env python3
"""Trains a small tokenizer in Llama 2's format, tokenizer.model, on this project's
own pages, and keeps what the sentencepiece library makes of 10,000 strings.

    python3 sentencepiece_golden.py    writes services/tokenizer/testdata

Needs the package sentencepiece. The strings are those of golden.json.gz, which
tokenizer.mjs writes.
"""

import gzip
import json
import os
import pathlib
import tempfile

import sentencepiece

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "services" / "tokenizer" / "testdata"


def main():
    pages = "\n".join((ROOT / name).read_text() for name in ("docs/architecture.md", "CONTRIBUTING.md", "README.md", "docs/questions.md"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # the names of the files go into the model
        pathlib.Path("corpus.txt").write_text(pages)
        # The settings of Llama 2's own file.
        sentencepiece.SentencePieceTrainer.train(
            input="corpus.txt", model_prefix="m", model_type="bpe", vocab_size=900, byte_fallback=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=True,
            split_digits=True, allow_whitespace_only_pieces=True, character_coverage=0.99995, num_threads=1)
        model = pathlib.Path("m.model").read_bytes()
        os.chdir(ROOT)
    (OUT / "tokenizer.model").write_bytes(model)
    tokenizer = sentencepiece.SentencePieceProcessor(model_proto=model)
    with gzip.open(OUT / "golden.json.gz") as f:
        strings = [s["text"] for s in json.load(f)["strings"]]
    letter = tokenizer.piece_to_id("a")
    golden = {
        "ids": [tokenizer.encode(s) for s in strings],
        # Each id alone, behind a letter so that no space is stripped; what is no text is null.
        "decoded": [None if tokenizer.is_control(i) or tokenizer.is_unknown(i) else tokenizer.decode([letter, i]) for i in range(len(tokenizer))],
    }
    with gzip.GzipFile(OUT / "sentencepiece.json.gz", "wb", 9, mtime=0) as f:
        f.write(json.dumps(golden, separators=(",", ":")).encode())
    print(f"{len(tokenizer)} pieces, {len(strings)} strings")


if __name__ == "__main__":
    main()
