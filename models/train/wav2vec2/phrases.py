"""What is spoken to calibrate and to measure confidence: phrases and voices.

CALIBRATION, DEVELOPMENT and MEASURED share no phrase and no voice: the weights are fitted on the first, the features were
chosen on the second, and the third was spoken after that. Out-of-list phrases are everyday English, some with a few words of
the list. The recordings of people are measured only.
"""
import random

import text

CALIBRATION_VOICES = ["en-us+m4", "en+f4", "en-us+Andy", "en-029+linda", "en+travis", "en-gb-x-rp"]
DEVELOPMENT_VOICES = ["en-gb-scotland", "en-us+m7", "en+f5", "en-us"]
MEASURED_VOICES = ["en-gb", "en+m7", "en-us+f5", "en-gb-scotland+f2"]

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

DEVELOPMENT_PHRASES = """good morning everybody|what is the capital of france|can you tell me a story|I am going to the supermarket
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

MEASURED_PHRASES = """could you pass me the salt|it is snowing heavily in the north|our flight was delayed by three hours|who left the door open
the baby cried all night long|mathematics is my weakest school subject|a stranger waved at us from the balcony|please speak more slowly
he repaired the bicycle with a piece of wire|tell me about your holiday|the orchestra rehearsed on thursday evening|pour the milk into a bowl
nobody believed the fisherman|the lawyer read the contract twice|we ran out of petrol near the border|the mountain was hidden by fog
my cousin collects rare stamps|grandmother baked an apple cake|can I borrow your pencil|the red balloon drifted over the roofs
customers are waiting in front of the bank|no smoking in this area|she whispered a secret in his ear|the farmer sold seven sheep
lock the back door before you leave|this soup needs pepper and garlic|the athletes are ready to run|stop the car immediately
it takes two minutes to boil an egg|the newspaper arrived late|yes I would love some tea|a thousand candles lit up the temple
the witness described a tall man|how far is the nearest village|he sharpened the old sword|the clouds are moving fast
thank you very much indeed|we will meet again next summer|the dentist pulled out a tooth|put your coat on it is freezing""".replace("\n", "|").split("|")

# The texts of the recordings of people: chapters of LibriSpeech and a Harvard sentence.
PEOPLE = {
    "1272-128104-0000": "mister quilter is the apostle of the middle classes and we are glad to welcome his gospel",
    "1272-128104-0004-8k": "linnell's pictures are a sort of up guards and at em paintings and mason's exquisite idylls are as national as a jingo poem",
    "1272-141231-0002": "the cut on his chest still dripping blood the ache of his overstrained eyes even the soaring arena around him with the "
                        "thousands of spectators were trivialities not worth thinking about",
    "speechbrain_spk1_snt1": "the birch canoe slid on the smooth planks",
    "speechbrain_spk2_snt1": "the birch canoe slid on the smooth planks",
}

SETS = {"calibration": (CALIBRATION_VOICES, CALIBRATION_PHRASES), "development": (DEVELOPMENT_VOICES, DEVELOPMENT_PHRASES),
        "measured": (MEASURED_VOICES, MEASURED_PHRASES)}
assert len(DEVELOPMENT_PHRASES) == len(MEASURED_PHRASES) == 40
assert all(not set(p) & set(q) for one in SETS.values() for other in SETS.values() if one is not other for p, q in zip(one, other))


def listed(count, seed, without=()):
    """Phrases of the list's words, none of them in `without`."""
    r, out = random.Random(seed), []
    while len(out) < count:
        t = text.sentence(r)
        if t not in out and t not in without:
            out.append(t)
    return out
