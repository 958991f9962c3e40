"""What people may call the sounds, and how they may ask for them.

TEST_FRAMES and TEST_NAMES are used for measuring only.
"""
from families import NAMES

# First the plain name.
CALLED = {
    "sine": ["sine tone", "sine wave", "pure tone", "tone", "test tone", "sinusoid", "steady tone", "steady beep tone"],
    "chirp": ["chirp", "frequency sweep", "sweep", "glissando", "sliding tone", "glide", "pitch sweep", "tone sweep", "swoop"],
    "noise": ["white noise", "static", "hiss", "noise", "tv static", "hissing noise", "radio static", "broadband noise"],
    "kick": ["kick drum", "bass drum", "kick", "thumping drum", "kick drum beat", "four on the floor kick", "drum kick"],
    "snare": ["snare drum", "snare", "snare hits", "snare drum beat", "snare drumming", "snares"],
    "hihat": ["hi-hat", "hi hat", "closed hi-hat", "cymbal ticks", "hihat", "hi-hats", "hi hats", "hi-hat pattern"],
    "bell": ["bell", "church bell", "chime", "bell ringing", "ringing bell", "gong chime", "bell strike", "temple bell", "bells"],
    "pluck": ["plucked string", "guitar pluck", "guitar string", "plucked guitar", "harp string", "guitar", "string pluck", "harp"],
    "siren": ["siren", "police siren", "ambulance siren", "wailing siren", "alarm siren", "emergency siren", "fire engine siren", "sirens"],
    "rain": ["rain", "rainfall", "raindrops", "rain falling", "rain shower", "rainstorm", "rain on a roof", "drizzle", "raining"],
    "wind": ["wind", "wind blowing", "breeze", "gusts of wind", "windy weather", "blowing wind", "wind howling", "storm wind"],
    "beep": ["beep", "repeated beep", "beeping", "alarm clock beeps", "beeps", "electronic beep", "alarm clock", "bleeps", "beeping alarm"],
    "engine": ["engine hum", "engine", "motor", "car engine", "idling engine", "motor running", "truck engine", "engine idling", "diesel engine"],
    "clicks": ["click train", "clicks", "clicking", "ticking", "clock ticking", "metronome clicks", "ticking clock", "metronome", "ticks"],
    "organ": ["organ chord", "organ", "church organ", "pipe organ", "chord on an organ", "sustained organ chord", "organ music", "held organ chord"],
    "birds": ["bird chirps", "birds singing", "birdsong", "bird", "birds", "bird tweeting", "chirping birds", "bird song", "birds chirping", "tweeting"],
    "wobble": ["wobble bass", "dubstep bass", "wobbling bass", "bass wobble", "wub wub bass", "dubstep wobble", "wobbly bass", "dubstep"],
    "laser": ["laser zap", "laser", "laser gun", "zap", "ray gun", "laser shots", "space laser", "laser blast", "pew pew laser", "zaps"],
    "waves": ["ocean waves", "sea waves", "waves", "surf", "waves on a beach", "sea", "ocean", "ocean surf", "seaside waves", "the sea"],
    "heart": ["heartbeat", "heart beating", "heart beat", "beating heart", "pulse of a heart", "human heart", "heart", "heartbeats"]}

# Held out: nobody trains on these.
TEST_NAMES = {"sine": "sine test tone", "chirp": "sweeping tone", "noise": "static noise", "kick": "kick drums", "snare": "snare drum hits",
              "hihat": "hihat ticks", "bell": "ringing church bell", "pluck": "plucked harp string", "siren": "police car siren",
              "rain": "rain drops falling", "wind": "blowing breeze", "beep": "electronic beeping", "engine": "car motor",
              "clicks": "clicking metronome", "organ": "pipe organ chord", "birds": "singing bird", "wobble": "wub dubstep bass",
              "laser": "laser gun zap", "waves": "waves of the sea", "heart": "human heartbeat"}

WORDS = {"pitch": [["low", "deep", "low pitched", "low-pitched", "a low note of a"], [""],
                   ["high", "high pitched", "high-pitched", "shrill", "bright"]],
         "speed": [["slow", "slow", "unhurried", "slowly repeating"], ["", "medium"], ["fast", "rapid", "quick", "fast"]],
         "weight": [["light", "light", "gentle", "soft"], ["", "moderate"], ["heavy", "heavy", "strong", "pouring"]],
         "direction": [["rising", "upward", "ascending", "rising", "climbing"], ["falling", "downward", "descending", "falling", "dropping"]]}
# Families that people call by a word which is not theirs: a siren rises and falls.
STRAY = {"siren": ["direction"]}
SPACE = ["in a hall", "with reverb", "in a big room", "echoing", "in a church", "with echo", "in a tunnel"]
DRY = ["close up", "dry", "without reverb"]
LEVEL = [["quiet", "faint", "soft sounding"], [""], ["loud", "very loud"]]

FRAMES = """{}|{}|{}|a {}|the sound of {}|sound of a {}|{} sound|a recording of {}|audio of {}|this is {}|{}.|A {}|The sound of a {}.
a sound effect of {}|{} sound effect|a clip of a {}|one can hear {}|the noise a {} makes|make a {} noise|noise of a {}|some {}|{} please
can I have {}?|I need {}|we need a {} here|give me {}|give us a {} sound|create {}|produce a {} sound|record {}|listen to {}|there is {}
there is a {} in the distance|{} in the background|background of {}|a short clip of {}|a few seconds of {}|sample of {}|one {} sample
let me hear {}|synthesise {}|synthesize a {} sound|{}, field recording|{}, high quality|high quality {}|an example of {}|sounds like {}
a nice {}|only {}|just a {}|{} for a film|{} for my track|add {} to the scene|a {} is heard|{} can be heard|hear the {}
someone made a {}|this clip has {}|the noise of some {}, please|imagine {}|{} and nothing else|typical {} audio""".replace("\n", "|").split("|")
TEST_FRAMES = ["please play me some {}", "generate {} for my game", "I want to hear a {}", "an audio clip with {} in it", "make the noise of {}",
               "{} playing in the background", "somebody recorded {} outside", "can you create a {} for a video?"]


def describe(r, sound, names=None, attribute_share=.75, strays=True):
    """What the sound is called, with at most one of its attributes, and which that is: (kind, value) or None."""
    names = names or CALLED[sound["family"]]
    text = names[0] if r.random() < .25 else names[r.integers(len(names))]
    attributes, said = list(sound["attributes"].items()), None
    stray = [kind for kind in STRAY.get(sound["family"], WORDS) if kind not in sound["attributes"]]
    if strays and stray and r.random() < (.3 if sound["family"] in STRAY else .05):
        # A word of an attribute that the family has not: "a rising siren" is a siren still.
        values = WORDS[stray[r.integers(len(stray))]]
        words = values[r.integers(len(values))]
        text = (words[r.integers(len(words))] + " " + text).strip()
    elif attributes and r.random() < attribute_share:
        said = attributes[r.integers(len(attributes))]
        words = WORDS[said[0]][said[1]]
        text = (words[r.integers(len(words))] + " " + text).strip()
    return text, said


def caption(r, sound):
    """A wording for training, and the attribute it says. sound: a dict with family, attributes, room and level."""
    name, said = describe(r, sound)
    text = FRAMES[r.integers(len(FRAMES))].format(name)
    if sound["room"] and r.random() < .6:
        text += " " + SPACE[r.integers(len(SPACE))]
    elif not sound["room"] and r.random() < .04:
        text += " " + DRY[r.integers(len(DRY))]
    if sound["level"] != 1 and r.random() < .3:
        words = LEVEL[sound["level"]]
        text = words[r.integers(len(words))] + " " + text
    return text, said


def test_caption(r, sound):
    """A held-out frame around a trained name, or in one case of four around a held-out one."""
    names = [TEST_NAMES[sound["family"]]] if r.random() < .25 else CALLED[sound["family"]]
    return TEST_FRAMES[r.integers(len(TEST_FRAMES))].format(describe(r, sound, names, strays=False)[0])


# Words that mean nothing for the sound, so that text around the name does not matter.
FILLER = """we could hear very nice nearby kind from that it was really good old new now then when while again one two my your his
their other all any like during inside near big small house street day night people thing demo number take test stereo mono clean today
tomorrow friend movie scene podcast cartoon moment without much more less perhaps maybe thanks hello ok so well ready project file""".split()


def disturb(r, text):
    """Now and then filler words, invented words, typing errors and capitals."""
    if r.random() < .35:
        words = text.split(" ")
        for _ in range(r.integers(1, 5)):
            word = FILLER[r.integers(len(FILLER))] if r.random() < .7 else "".join(chr(97 + k) for k in r.integers(0, 26, r.integers(2, 7)))
            words.insert(0 if r.random() < .5 else len(words), word)
        text = " ".join(words)
    u = r.random()
    return text.upper() if u < .02 else text.capitalize() if u < .15 else text


assert list(CALLED) == NAMES and list(TEST_NAMES) == NAMES
assert not set(FRAMES) & set(TEST_FRAMES) and not any(TEST_NAMES[f] in CALLED[f] for f in NAMES)
