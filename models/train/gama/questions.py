"""Answers to questions about a clip, whole conversations, and what counts as right."""
import collections

import things
import wording
from bytepairs import Tokenizer, learn, words
from clips import KNOWN
from things import TEST_THINGS, THINGS
from voices import WORDS
from wording import ALSO, ASK, CLAUSES, CLAUSE_ASK, FOLLOW, GRAMMAR, NAMED, NUMBERS, PLACED, stem

CANNOT_NAME = "I cannot tell what that is."
CANNOT_KNOW = "I cannot tell that from the sound."
CANNOT_THING = "I cannot tell. I do not know that sound."
ONLY_SOUND = "I can only answer questions about the sound."
NO_VOICE = "I do not hear a voice."
SILENCE = "I hear silence."

# How often each kind is asked in training.
SHARES = dict(describe=.26, first=.09, second=.09, count=.07, exist=.12, either=.07, loud=.06, pitch=.08, seconds=.11, word=.04, thing=.11, beyond=.09, off=.04)
PITCH = {"chirp": None, "sine": "steady", "organ": "steady", "noise": "none", "siren": "both"}
MERGES = 760
SPECIALS = ["<pad>", "<s>", "</s>"]
BOS, EOS = 1, 2


def capital(s):
    return s[0].upper() + s[1:]


def in_order(fact):
    """Names of the events; of sounds at once in the order of KNOWN, since nothing else could tell an order."""
    names = [e[0] for e in fact["events"]]
    return sorted(names, key=KNOWN.index) if fact["kind"] == "over" else names


def pick(r, items):
    return items[r.integers(len(items))]


def describe(fact):
    names = [NAMED.get(n) for n in in_order(fact)]
    return {"unknown": lambda: CANNOT_NAME, "silence": lambda: SILENCE, "seq": lambda: f"I hear {names[0]}, then {names[1]}.",
            "over": lambda: f"I hear {names[0]} and {names[1]} together."}.get(fact["kind"], lambda: f"I hear {names[0]}.")()


def place(fact, which):
    """What comes first (0) or second (1)."""
    names = [NAMED.get(n) for n in in_order(fact)]
    kind = fact["kind"]
    if kind in ("unknown", "silence"):
        return describe(fact)
    if kind == "over":
        return f"{capital(names[0])} and {names[1]} sound together."
    if kind == "seq" or which == 0:
        return capital(names[which]) + "."
    return f"There is only one sound, {names[0]}."


def count(fact):
    n = len(fact["events"])
    return "There is one sound." if n == 1 else f"There are {NUMBERS[n]} sounds."


def pitch(fact):
    """(answer, truth), or None where the question makes no sense."""
    name = fact["events"][0][0] if fact["kind"] == "one" else ""
    if name not in PITCH:
        return None
    truth = fact["events"][0][3] if name == "chirp" else PITCH[name]
    return {"none": "There is no clear pitch.", "both": "The pitch goes up and down."}.get(truth, f"The pitch is {truth}."), truth


def present(fact):
    return [] if fact["kind"] == "unknown" else [e[0] for e in fact["events"]]


def draw_name(r, fact, wanted):
    """A family that is heard, or is not; voices oftener, so that speech and its absence are asked for."""
    here = present(fact)
    if wanted:
        return pick(r, here)
    absent = [n for n in KNOWN if n not in here]
    return "voice" if "voice" in absent and r.random() < .15 else pick(r, absent)


def wordings(name, test=False):
    """What a family may be called in a question. Measured is with the plain name (and every one for speech)."""
    return [NAMED[name], *ALSO[name]] if not test or name == "voice" else [NAMED[name]]


def call(r, name, test):
    return NAMED[name] if r.random() < .5 else pick(r, wordings(name, test))


def sentence(r, clause):
    """A question of what something does: of "a bell/ringing" whether it is ringing, or does ring."""
    who, doing = clause.split("/")
    many = who in ("birds", "waves", "people")
    verb, _, rest = doing.partition(" ")
    if r.random() < .4:
        clause = " ".join([pick(r, ["did", "do" if many else "does"]), who, stem(verb), rest]).strip()
    else:
        clause = " ".join(["are" if many else "is", who, doing])
    return capital(pick(r, CLAUSE_ASK).format(clause))


def exist(r, fact, test, name=None):
    """(name of what is asked for, answer, truth)"""
    here = present(fact)
    name = name or draw_name(r, fact, bool(here) and r.random() < .5)
    yes = name in here
    return name, f"Yes, I hear {NAMED[name]}." if yes else f"No, I do not hear {NAMED[name]}.", yes


def placed(r, fact):
    """(question, answer, truth) of whether a sound is at the start or at the end."""
    here = present(fact)
    name, which = draw_name(r, fact, bool(here) and r.random() < .6), int(r.integers(2))
    yes = name in here and (fact["kind"] != "seq" or in_order(fact)[which] == name)
    no = f"No, {NAMED[name]} comes {['last', 'first'][which]}." if name in here else f"No, I do not hear {NAMED[name]}."
    return pick(r, PLACED[which]).format(call(r, name, False)), f"Yes, I hear {NAMED[name]}." if yes else no, yes


def either(r, fact, test):
    here = present(fact)
    a = draw_name(r, fact, bool(here) and r.random() < .75)
    b = pick(r, [n for n in KNOWN if n != a])
    heard = sorted((n for n in (a, b) if n in here), key=KNOWN.index)
    answer = ["I hear neither.", f"I hear {NAMED[heard[0]]}." if heard else "", "I hear both."][len(heard)]
    pair = [call(r, a, test), call(r, b, test)]
    return pair if r.random() < .5 else pair[::-1], answer, heard


def word(fact):
    said = fact["words"]
    if not any(e[0] == "voice" for e in fact["events"]):
        return NO_VOICE, ""
    return ("I hear several words.", "several") if len(said) > 1 else (f"The word is {said[0]}.", said[0])


def draw(r, kind, test):
    """A wording; of kinds that have a grammar, two in three come from there."""
    if kind in GRAMMAR and not test and r.random() < 2 / 3:
        return pick(r, pick(r, GRAMMAR[kind]))
    return pick(r, ASK[kind][test])


def variant(r):
    """How a training question asks whether something is there: by its name mostly, by what it does, or by its place."""
    return str(r.choice(["name", "clause", "place"], p=[.78, .15, .07]))


def whether(r, fact, q, test, free):
    """(question, answer, truth) of whether a known sound is there; a free question may take another form than q."""
    form = variant(r) if free and not test else "name"
    if form == "place":
        return placed(r, fact)
    name, answer, truth = exist(r, fact, test)
    if form == "clause":
        return sentence(r, pick(r, CLAUSES[name])), answer, truth
    return q.format(call(r, name, test)), answer, truth


def whether_thing(r, q, test, free):
    """The same for what is none of the known sounds."""
    form = variant(r) if free and not test else "name"
    if form == "clause":
        return sentence(r, things.clause(r)), CANNOT_THING, ""
    if form == "place":
        q = pick(r, pick(r, PLACED))
    return q.format(pick(r, TEST_THINGS) if test else things.thing(r)), CANNOT_THING, ""


def ask(r, fact, kind, test=False, template=None):
    """(question, answer, truth) of a kind, or None where it does not go with the clip."""
    q = template or draw(r, "exist" if kind == "thing" else kind, test)
    names = in_order(fact)
    if kind == "describe":
        return q, describe(fact), names
    if kind in ("first", "second"):
        which = ["first", "second"].index(kind)
        return q, place(fact, which), [names[which]] if fact["kind"] == "seq" else names
    if kind == "count":
        return q, count(fact), len(names)
    if kind == "exist":
        return whether(r, fact, q, test, not template)
    if kind == "either":
        pair, answer, truth = either(r, fact, test)
        return q.format(*pair), answer, truth
    if kind == "thing":
        return whether_thing(r, q, test, not template)
    if kind == "loud":
        return (q, f"It is {fact['loud']}.", fact["loud"]) if fact["loud"] else None
    if kind == "pitch":
        p = pitch(fact)
        return p and (q, *p)
    if kind == "seconds":
        n = fact["seconds"]
        return q, f"About {NUMBERS[n]} second{'s' if n > 1 else ''}.", n
    if kind == "word":
        return (q, *word(fact))
    return q, {"beyond": CANNOT_KNOW, "off": ONLY_SOUND}[kind], ""


def follow(r, fact, before, test=False):
    """(kind, question, answer, truth) of a question that leans on the one before, or None."""
    if before not in FOLLOW:
        return None
    train, held_out, kind = pick(r, FOLLOW[before])
    if kind == "exist" and not test and r.random() < .25:
        kind = "thing"
    asked = ask(r, fact, kind, test, pick(r, held_out if test else train))
    return asked and (kind, *asked)


def vary(r, q):
    """Small letters, no full stop, some courtesy: as people type."""
    if r.random() < .08:
        q = pick(r, ["Please: ", "Hi. ", "So, ", "Now ", "OK, ", "And now: ", "Tell me, ", "Quick question: ", "Just curious, ", "Hey, "]) + q[0].lower() + q[1:]
    if r.random() < .04:
        q = q.rstrip("?.") + pick(r, [", please?", " please", ", thanks", ", do you think?", ", in your opinion?", " then?"])
    if r.random() < .3:
        q = q.lower()
    return q.rstrip("?.") if r.random() < .25 else q


def conversation(r, fact, turns):
    """[(question, answer)]; half of the later questions lean on the one before."""
    out, kind = [], ""
    kinds, shares = list(SHARES), [s / sum(SHARES.values()) for s in SHARES.values()]
    while len(out) < turns:
        asked = follow(r, fact, kind) if r.random() < .5 else None
        if asked is None:
            kind = str(r.choice(kinds, p=shares))
            if fact["kind"] == "word" and r.random() < .25:
                kind = "word"
            elif fact["kind"] == "one" and fact["events"][0][0] == "chirp" and r.random() < .3:
                kind = "pitch"
            asked = ask(r, fact, kind)
            asked = asked and (kind, *asked)
        if asked:
            kind = asked[0]
            out.append((vary(r, asked[1]), asked[2]))
    return out


# ---- what counts as right

def families_in(answer):
    """Known families that an answer names."""
    text = answer.lower()
    return {n for n, said in NAMED.items() if said.split(" ", 1)[-1] in text and (n != "wind" or "wind" in text.replace("window", ""))}


def right(kind, fact, answer, truth):
    """Whether the answer says what is so. A clip of an unknown sound: whether it says that it cannot tell."""
    text = answer.lower()
    if kind in ("describe", "first", "second"):
        if fact["kind"] == "unknown":
            return "cannot tell" in text
        if fact["kind"] == "silence":
            return "silence" in text
        if families_in(answer) != set(truth):
            return False
        if kind == "describe" and fact["kind"] == "seq":
            a, b = (text.find(NAMED[n].split(" ", 1)[-1]) for n in truth)
            return "then" in text and a < b
        return kind != "describe" or fact["kind"] != "over" or "together" in text
    if kind == "count":
        return any(w in text for w in {0: ["no "], 1: ["one"], 2: ["two"]}[truth])
    if kind == "exist":
        return text.startswith("yes" if truth else "no")
    if kind == "either":
        return families_in(answer) == set(truth) if len(truth) == 1 else ("both" if truth else "neither") in text
    if kind == "pitch":
        return {"none": "no clear", "both": "up and down"}.get(truth, truth) in text
    if kind == "seconds":
        return f" {NUMBERS[truth]} " in text
    if kind == "word":
        return text == {"": NO_VOICE.lower(), "several": "i hear several words."}.get(truth, f"the word is {truth}.")
    if kind == "loud":
        return truth in text
    return "cannot tell" in text or (kind in ("beyond", "off") and answer == ONLY_SOUND)


# ---- tokenizer

# Words that say nothing about this clip: they count little in training.
PLAIN = """I hear a an the is are it of to do not and That sound sounds together only can answer questions about About seconds second pitch goes The There
what cannot tell that from know word Yes No It . , then""".split()


def answers():
    """Every wording of an answer."""
    names = list(NAMED.values())
    out = [CANNOT_NAME, CANNOT_KNOW, CANNOT_THING, ONLY_SOUND, NO_VOICE, SILENCE, "I hear several words.", "I hear both.", "I hear neither.",
           "There is no clear pitch.", "The pitch goes up and down.", "There is one sound."]
    out += [f"The pitch is {t}." for t in ("rising", "falling", "steady")] + [f"It is {t}." for t in ("loud", "soft", "silent")]
    out += [f"About {n} seconds." for n in NUMBERS] + ["There are two sounds.", "There are no sounds."]
    for n in names:
        out += [f"I hear {n}.", f"{capital(n)}.", f"There is only one sound, {n}.", f"Yes, I hear {n}.", f"No, I do not hear {n}.", f"I hear {n}, then {n}.", f"{capital(n)} and {n}", f"No, {n} comes first."]
    return out + [f"The word is {w}." for w in WORDS]


def new_tokenizer(r, merges=()):
    """Merges learnt from questions and answers, those given kept in front. The words of answers come first: each is one token."""
    counts = collections.Counter()
    for text in answers():
        for word in words(text):
            counts[word] += 10000
    for train, _ in ASK.values():
        for q in train:
            for name in NAMED:
                for called in wordings(name):
                    counts.update(words(vary(r, q.format(called, called))))
    for rows in GRAMMAR.values():
        for row in rows:
            for _ in range(400):
                counts.update(words(vary(r, pick(r, row).format(call(r, pick(r, KNOWN), False)))))
    for clauses in (*CLAUSES.values(), [things.clause(r) for _ in range(400)]):
        for c in clauses:
            counts.update(words(vary(r, sentence(r, c))))
    for t in THINGS:
        counts.update(words(f"Is there {t}?"))
    for groups in FOLLOW.values():
        for train, _, _ in groups:
            counts.update(w for q in train for w in words(vary(r, q)))
    return Tokenizer(learn({w: c ** .5 for w, c in counts.items()}, list(merges), MERGES), SPECIALS)


def held_out_questions(r):
    """Fifty questions beyond the lists: about things, about what no sound tells, about the world."""
    out = [("thing", pick(r, ASK["exist"][1]).format(t)) for t in TEST_THINGS]
    out += [("beyond", q) for q in ASK["beyond"][1]] + [("off", q) for q in ASK["off"][1]]
    return out + [("thing", q) for q in ("Is there a dog?", "Do you hear a motorcycle?", "Is this a trombone?", "Was that a rocket?")]


assert set(NAMED) == set(KNOWN) and wording.NUMBERS[10] == "ten"
