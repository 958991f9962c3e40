#!/usr/bin/env python3
"""Measure model folders or runs: evaluate.py --data FOLDER [--server BINARY] [--limit N] [--json OUT] MODEL_FOLDER|RUN.pt...

FOLDER has test and strangers of clips.py. With --server every question goes to the
real server over HTTP, greedily; else the model answers in torch. Held-out wordings;
the same clips and questions for every model. "swapped" is the same with
another clip's sound: what a model gets that does not listen.
"""
import argparse
import base64
import json
import os

import numpy as np
import torch

import folder
import questions
from bytepairs import Tokenizer
from clips import Clips
from networks import Gama
from questions import BOS, EOS
from server import Server
from train import CLASSES

KINDS = ("describe", "first", "second", "count", "exist", "either", "loud", "pitch", "seconds", "word")


class Torch:
    """Greedy answers, batched by the length of the prompt."""

    def __init__(self, path):
        if path.endswith(".pt"):
            run = torch.load(path)
            self.tokenizer = Tokenizer(run["merges"], questions.SPECIALS)
            self.net, self.turns = Gama(len(self.tokenizer.tokens), len(CLASSES)), True
            self.net.load_state_dict(run["average"])
        else:
            self.tokenizer = Tokenizer(folder.read_merges(path), questions.SPECIALS)
            self.net = folder.read(path, self.tokenizer, len(CLASSES))
            with open(os.path.join(path, "config.json"), encoding="utf8") as f:
                self.turns = json.load(f).get("conversation_history", "turns") == "turns"
        self.net.eval()

    def prompt(self, turns, question):
        ids = [BOS]
        for q, a in turns if self.turns else []:
            ids += self.tokenizer.encode(q + "\n") + self.tokenizer.encode(a) + [EOS]
        return ids + self.tokenizer.encode(question + "\n")

    @torch.no_grad()
    def listen(self, clips):
        order = sorted(range(len(clips)), key=clips.frames)
        heard = [None] * len(clips)
        for at in range(0, len(order), 16):
            for i, rows in zip(order[at:at + 16], self.net.audio(clips.batch(order[at:at + 16]))):
                heard[i] = rows
        return torch.stack(heard)

    @torch.no_grad()
    def finish(self, heard, prompts):
        """ids after prompts of one length, until </s> or 24."""
        d, n = self.net.dec, len(prompts)
        x, past, total, out = torch.cat([heard, self.net.embed(torch.tensor(prompts))], 1), [torch.zeros(n, d.h, 0, d.hd)] * (2 * len(d.layers)), 0, []
        while len(out) < 24 and not (out and all(EOS in row for row in zip(*out))):
            s = x.shape[1]
            total += s
            logits, *past = d(x, torch.ones(n, total, dtype=torch.long), torch.arange(total - s, total)[None].expand(n, -1), *past)
            token = logits[:, -1].argmax(-1)
            out.append(token.tolist())
            x = self.net.embed(token[:, None])
        rows = [list(row) for row in zip(*out)]
        return [row[:row.index(EOS)] if EOS in row else row for row in rows]

    def answers(self, clips, items):
        """items: (clip, earlier turns, question)."""
        heard = self.listen(clips)
        prompts, out = [self.prompt(turns, q) for _, turns, q in items], [None] * len(items)
        order = sorted(range(len(items)), key=lambda i: len(prompts[i]))
        at = 0
        while at < len(order):
            same = [i for i in order[at:at + 128] if len(prompts[i]) == len(prompts[order[at]])]
            at += len(same)
            for i, ids in zip(same, self.finish(heard[[items[i][0] for i in same]], [prompts[i] for i in same])):
                out[i] = self.tokenizer.decode(ids)
        return out


class HTTP:
    def __init__(self, server):
        self.server, self.sounds = server, {}

    def sound(self, clips, i):
        path = os.path.join(clips.folder, "%04d.wav" % i)
        if path not in self.sounds:
            with open(path, "rb") as f:
                self.sounds[path] = base64.b64encode(f.read()).decode()
        return {"type": "input_audio", "input_audio": {"data": self.sounds[path], "format": "wav"}}

    def answers(self, clips, items):
        out = []
        for i, turns, question in items:
            messages = []
            for q, a in turns:
                messages += [{"role": "user", "content": q}, {"role": "assistant", "content": a}]
            messages.append({"role": "user", "content": question})
            messages[0]["content"] = [{"type": "text", "text": messages[0]["content"]}, self.sound(clips, i)]
            answer = json.loads(self.server.post("/v1/chat/completions", {"messages": messages, "temperature": 0}))
            out.append(answer["choices"][0]["message"]["content"])
        return out


def read_clips(data, name, limit):
    clips = Clips(os.path.join(data, name))
    clips.folder = os.path.join(data, name + ".wav")
    clips.facts, clips.offsets = clips.facts[:limit], clips.offsets[:limit + 1]
    return clips


def single_questions(r, clips):
    """(key, clip, kind, question, truth); describe is told apart by the kind of clip."""
    out = []
    for i, fact in enumerate(clips.facts):
        for kind in KINDS:
            asked = questions.ask(r, fact, kind, test=True)
            if asked and not (kind == "word" and fact["kind"] != "word"):
                out.append(("describe, " + fact["kind"] if kind == "describe" else kind, i, kind, asked[0], asked[2]))
        voiced = "voice" in questions.present(fact)
        if voiced or i % 5 == 0:
            _, _, truth = questions.exist(r, fact, True, "voice")
            what = questions.call(r, "voice", True)
            out.append(("speech yes or no", i, "exist", questions.pick(r, questions.ASK["exist"][1]).format(what), truth))
    return out


def outside_questions(r, clips):
    """Fifty questions beyond the lists, each about four clips."""
    out = []
    for k, (kind, q) in enumerate(questions.held_out_questions(r)):
        out += [("outside, " + kind, (k * 7 + j * 31) % len(clips), kind, q, "") for j in range(4)]
    return out


def blind_questions(clips):
    """Questions beyond the lists by four who saw neither lists nor code, each about four clips."""
    out = []
    for name in ("blind", "blind2", "blind3", "blind4"):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".txt"), encoding="utf8") as f:
            lines = [line.rstrip("\n").split("\t") for line in f]
        out += [(name + ", " + kind, (k * 11 + j * 37) % len(clips), kind, q, "") for k, (kind, q) in enumerate(lines) for j in range(4)]
    return out


def follow_ups(r, clips):
    """(clip, first question, kind, follow-up, truth)"""
    out = []
    for i, fact in enumerate(clips.facts):
        before = ("first", "second", "describe", "count", "exist", "loud", "seconds")[i % 7]
        first = questions.ask(r, fact, before, test=True)
        then = first and questions.follow(r, fact, before, test=True)
        if then:
            out.append((i, first[0], then[0], then[1], then[3]))
    return out


def share(right):
    return [round(100 * float(np.mean(right)), 1), len(right)] if right else None


def measure(maker, clips, strangers):
    figures, mistakes = {}, []

    def note(key, ok):
        figures.setdefault(key, []).append(bool(ok))
    r = np.random.default_rng(4)
    items = single_questions(r, clips) + outside_questions(r, clips) + blind_questions(clips)
    for (key, i, kind, q, truth), a in zip(items, maker.answers(clips, [(i, [], q) for _, i, _, q, _ in items])):
        fact = clips.facts[i]
        ok = questions.right(kind, fact, a, truth)
        note(key, ok)
        if kind == "describe" and fact["kind"] not in ("unknown", "silence"):
            note("known sounds refused", "cannot tell" in a)
            if fact["kind"] == "one":
                note("one: " + fact["events"][0][0], ok)
        if not ok:
            mistakes.append([key, q, [e[0] for e in fact["events"]], fact["seconds"], a])
    n = len(clips)
    some = [it for it in items if not it[0].startswith(("outside", "blind"))][::3]
    for (key, i, kind, _, truth), a in zip(some, maker.answers(clips, [((i + n // 2 + 7) % n, [], q) for _, i, _, q, _ in some])):
        note("swapped: " + key, questions.right(kind, clips.facts[i], a, truth))
    chain = follow_ups(r, clips)
    firsts = maker.answers(clips, [(i, [], q) for i, q, *_ in chain])
    seconds = maker.answers(clips, [(i, [(q, a)], then) for (i, q, _, then, _), a in zip(chain, firsts)])
    for (i, q, kind, then, truth), a, b in zip(chain, firsts, seconds):
        ok = questions.right(kind, clips.facts[i], b, truth)
        note("follow-up", ok)
        if not ok:
            mistakes.append(["follow-up", q + " " + a + " " + then, [e[0] for e in clips.facts[i]["events"]], clips.facts[i]["seconds"], b])
    wordings = questions.ASK["describe"][1]
    asked = [(i, [], wordings[i % len(wordings)]) for i in range(len(strangers))]
    for (i, _, _), a in zip(asked, maker.answers(strangers, asked)):
        name = strangers.facts[i]["events"][0][0]
        note("stranger: " + name, "cannot tell" in a)
        note("strangers refused", "cannot tell" in a)
        if "cannot tell" not in a:
            mistakes.append(["stranger", "", [name], 0, a])
    return {k: share(v) for k, v in sorted(figures.items())}, mistakes


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--data", required=True)
    ap.add_argument("--server", default="")
    ap.add_argument("--limit", type=int, default=600)
    ap.add_argument("--json", default="")
    ap.add_argument("models", nargs="+")
    a = ap.parse_args()
    torch.set_num_threads(1)
    clips, strangers, out = read_clips(a.data, "test", a.limit), read_clips(a.data, "strangers", a.limit), {}
    for path in a.models:
        if a.server:
            with Server(a.server, path, "gama-tiny") as server:
                figures, mistakes = measure(HTTP(server), clips, strangers)
        else:
            figures, mistakes = measure(Torch(path), clips, strangers)
        out[path] = dict(figures=figures, mistakes=mistakes)
        print(path)
        for key, value in figures.items():
            print("  %-28s %5.1f %% of %d" % (key, *value))
        for m in mistakes[::max(1, len(mistakes) // 40)]:
            print("    ", m)
    if a.json:
        with open(a.json, "w", encoding="utf8") as f:
            json.dump(out, f, indent=1)


if __name__ == "__main__":
    main()
