"""What is spoken to calibrate and to measure confidence: phrases and voices.

CALIBRATION and MEASURED share no phrase and no voice. Out-of-list phrases are everyday English, some with a few words of
the list. The recordings of people are measured only.
"""
import random

import text

CALIBRATION_VOICES = ["en-us+m4", "en+f4", "en-us+Andy", "en-029+linda", "en+travis", "en-gb-x-rp"]
MEASURED_VOICES = ["en-gb-scotland", "en-us+m7", "en+f5", "en-us"]

CALIBRATION_PHRASES = """how are you feeling this afternoon|the weather will be cloudy with rain|please bring me a glass of water
where did you put the keys|my sister lives in a small village|close the kitchen door behind you|she sells sea shells by the shore
turn the lamp on before dinner|we walked along the river for an hour|the cat slept under the wooden table
I would like to order a pizza|they left the station early|play the next song for my mother|the doctor told him to rest
winter is coming soon|call your brother on the telephone|nothing ever happens in this town|the train arrives at seven
could you repeat that question|he bought ten oranges at the market|open your book and read|children love ice cream
an apple fell from the tree|the red car stopped at the corner|yes I think so too|no one knows the answer
please do not touch the painting|our teacher was very patient|hello my old friend|the government announced new taxes
stop talking and listen|the hungry lion chased the zebra|I forgot my umbrella again|start cooking the vegetables
take a deep breath|we need more time to finish|the sun rises in the east|thank you for coming to the party
she wrote a letter to the editor|the front page was torn|this machine is broken|it happened two days ago
let us go to the beach|the bottom of the ocean is dark|my computer crashed twice|birds were singing in the garden
he drives slower than his wife|the black horse won the race|wash your hands before eating|every child needs a home
do you speak another language|the meeting begins in five minutes|save some money for later|a journey of a thousand miles
the old bridge collapsed yesterday|remember to feed the dog|who wants to go first|the museum is free on sunday
put the white flowers on the shelf|scientists discovered a distant planet|the coffee tastes bitter|I can hear you now
she looked up at the stars|eight people were injured|the company lost millions|never give up hope
turn left at the traffic light|breakfast is served until ten|the blue whale is enormous|this road leads nowhere
we should have known better|the secretary typed a report|my shoes are too tight|give me one more chance
the second chapter is boring|be careful with that knife|the house across the street is empty|nobody answered the phone
they played football in the mud|record prices for wheat and corn|a gentle breeze moved the curtains|the judge found him guilty
what time does the shop close|the yellow leaves are falling|he speaks with a strange accent|grandfather told us stories
lunch will be ready shortly|keep your passport in a safe place|the boat sailed away|there were nine of them
visitors must sign here|the price of sugar went down|I have never been to spain|someone is knocking at the gate
the green valley was quiet|fold the paper in half|a loud explosion woke everyone|she is afraid of spiders
follow the signs to the airport|the high mountains were covered with snow|we met in the middle of the square
he lost three teeth|buy bread and cheese|the queen visited the hospital|what a beautiful dress|let it be
the elephant never forgets|mix the flour with butter|sit down and relax|a bottle of wine|the end of the story""".replace("\n", "|").split("|")

MEASURED_PHRASES = """good morning everybody|what is the capital of france|can you tell me a story|I am going to the supermarket
the quick brown fox jumps over the lazy dog|please open the window|my favourite colour is purple|how much does this cost
the children are playing outside|tomorrow we will visit our uncle|she opened the letter with trembling fingers
a dozen eggs and a loaf of bread|the police are looking for a witness|do not forget your jacket|he was born in nineteen eighty
turn off the television and go to sleep|this is a wonderful surprise|we are out of milk|the teacher gave us homework
there is a fly in my soup|congratulations on your wedding|the left side of the road is flooded|where is the nearest pharmacy
send an email to the manager|both teams played well|the dragon guarded the treasure|you and me against the world
the library closes at six on saturday|my neighbour owns a blue bicycle|happy birthday to you|the garden needs some water
two tickets for the evening performance|someone stole the golden statue|winter mornings are cold and dark
the artist painted a portrait|excuse me is this seat taken|start the engine and drive away|rivers flow into the sea
the president gave a long speech|thank you for the lovely flowers""".replace("\n", "|").split("|")

# The texts of the recordings of people: chapters of LibriSpeech and a Harvard sentence.
PEOPLE = {
    "1272-128104-0000": "mister quilter is the apostle of the middle classes and we are glad to welcome his gospel",
    "1272-128104-0004-8k": "linnell's pictures are a sort of up guards and at em paintings and mason's exquisite idylls are as national as a jingo poem",
    "1272-141231-0002": "the cut on his chest still dripping blood the ache of his overstrained eyes even the soaring arena around him with the "
                        "thousands of spectators were trivialities not worth thinking about",
    "speechbrain_spk1_snt1": "the birch canoe slid on the smooth planks",
    "speechbrain_spk2_snt1": "the birch canoe slid on the smooth planks",
}

assert len(MEASURED_PHRASES) == 40 and not set(MEASURED_PHRASES) & set(CALIBRATION_PHRASES)
assert not set(MEASURED_VOICES) & set(CALIBRATION_VOICES)


def listed(count, seed, without=()):
    """Phrases of the list's words, none of them in `without`."""
    r, out = random.Random(seed), []
    while len(out) < count:
        t = text.sentence(r)
        if t not in out and t not in without:
            out.append(t)
    return out
