"""What a question may name that is none of the known sounds. TEST_THINGS is for measuring only.

A model that has met a few hundred nouns takes the next one for a sound it knows. thing() therefore
also qualifies them, joins them, lets them do something, and makes up words that mean nothing. Some
begin as the name of a known sound does: a bell pepper is no bell, and a motorboat no motor.
"""
from wording import ALSO, NAMED

THINGS = """a cat|a cow|a horse|a sheep|a pig|a lion|a frog|an owl|a wolf|a mouse|a duck|a goose|a chicken|a rooster|a bee|a fly|a mosquito
a cricket|an elephant|a monkey|a whale|a dolphin|a snake|a bear|a goat|a donkey|a turkey|a crow|a baby|a baby crying|a child|children|a crowd|applause
clapping|laughter|someone laughing|coughing|a cough|sneezing|snoring|footsteps|someone walking|running|breathing|a scream|whispering|crying|singing
a choir|a violin|a cello|a trumpet|a flute|a saxophone|a piano|an accordion|a banjo|a tuba|a clarinet|an oboe|a xylophone|a tambourine|a cymbal|drums
a train|a plane|a helicopter|a boat|a ship|a tram|a bicycle|a tractor|a bus|a lawn mower|a chainsaw|a drill|a hammer|a saw|a vacuum cleaner|a washing machine
a hair dryer|a blender|a fan|a fridge|a microwave|a kettle|a toilet|a tap|a shower|a river|a waterfall|a fountain|a stream|bubbles|water|dripping water
thunder|a storm|lightning|an earthquake|fire|a fireplace|fireworks|an explosion|a gunshot|a bomb|glass breaking|a door|a door closing|knocking|a doorbell
keys|coins|paper|typing|a keyboard|a printer|a phone|a telephone|a camera|a zipper|scissors|cooking|frying|chopping|a fork|a plate|a cup|a bottle
a cork|a spray|a match|a car horn|brakes|tyres|a crash|an elevator|an escalator|a radio|a television|a robot|a spaceship|a dragon|a ghost|a monster
a sword|an arrow|a whip|a whistle|a kazoo|a balloon|a ball|tennis|football|swimming|skating|a swing|a spring|a rubber duck|a rope|a chain|a ladder
a bird of prey|leaves|snow|ice|sand|gravel|mud|a cave|a machine|a factory|a pump|a compressor|a sewing machine|a typewriter|a cash register|a vending machine
music|a song|a melody|jazz|a rock band|an orchestra|a lullaby|an anthem|a fox|a parrot|a penguin|a seal|a tiger|a hen|a beetle|a moth|yawning|chewing|drinking
swallowing|a kiss|hiccups|burping|gargling|humming|beatboxing|yodelling|a speech by a king|a dentist|a hospital|an airport|a school|a market|a kitchen
a rabbit|a hamster|a kangaroo|a camel|a zebra|a giraffe|a hippo|a rhino|a leopard|a panda|a koala|a badger|a hedgehog|an otter|a beaver|a deer|a moose|a bull
a calf|a lamb|a foal|a puppy|a kitten|a swan|a gull|a hawk|an eagle|a peacock|a lizard|a crocodile|a toad|a newt|a crab|a shrimp|a lobster|a shark|a salmon
a spider|an ant|a wasp|a hornet|a grasshopper|a butterfly|a worm|a snail|insects|a swarm|a herd|a pack of wolves|a flock|hooves|paws|wings|a purr|a roar
a growl|a hiss of a snake|a moo|a squeak|a howl|a neigh|a bleat|a quack|a viola|a piccolo|a bassoon|a cornet|a bugle|a horn|a French horn|a recorder|panpipes|a lute
a mandolin|a ukulele|a sitar|a fiddle|a zither|a dulcimer|a marimba|a vibraphone|a glockenspiel|a triangle|maracas|castanets|bongos|congas|timpani
a gong|a cowbell|a music box|a barrel of beer|a didgeridoo|an ocarina|a bass clarinet|a string quartet|a brass band|a symphony|an opera|a soprano|a tenor
a rapper|a DJ|techno|reggae|blues|a waltz|a tango|a march|a hymn|a jingle|a ringtone|a lorry|a van|a taxi|an ambulance|a fire brigade|a police car|a racing car
a scooter|a moped|a cart|a carriage|a wagon|a sledge|a canoe|a ferry|a submarine|a yacht|a jet|a glider|a drone|a parachute|a balloon ride|a steam train
a locomotive|an underground train|a cable car|a crane|a digger|a bulldozer|a forklift|a combine harvester|a plough|a snow plough|a road roller|a jackhammer
an axe|a chisel|a screwdriver|a spanner|a file|a plane on wood|sandpaper|a lathe|a welding torch|a nail gun|a generator|a turbine|a boiler|a radiator
a heater|an oven|a toaster|a mixer|a grinder|a food processor|a juicer|a coffee grinder|a freezer|a tumble dryer|an iron|a broom|a mop|a bucket|a bin
a lamp|a light switch|a plug|a battery|a cable|a computer|a mouse click|a scanner|a copier|a shredder|a hole punch|a pencil|a pen|a rubber stamp|chalk|a blackboard
a book|pages turning|a newspaper|an envelope|a parcel|sticky tape|a curtain|a window|a window opening|a drawer|a cupboard|a wardrobe|a lock|a bolt|a hinge|a gate|a fence
a letterbox|a staircase|a floorboard|a carpet|a chair|a table|a sofa|a bed|a mattress|a pillow|a blanket|a coat|a boot|high heels|slippers|a belt
a bag|a suitcase|an umbrella|a watch strap|jewellery|a coin toss|dice|cards|a board game|chess pieces|a puzzle|marbles|a yo-yo|a toy|a doll|a toy train
a video game|a slot machine|a pinball machine|a jukebox|a record player|a cassette|a tape recorder|a microphone|feedback|an amplifier|an antenna|a walkie-talkie
a fax|a modem|a dial tone|a busy signal|a voicemail|a text message|an error message|a login sound|a soup|a steak|bacon|eggs|popcorn|crisps|an apple being bitten
a carrot|bread|cheese|a cake|beer|wine being poured|champagne|lemonade|tea|milk|soup being stirred|a spoon|a knife|a pan|a pot|a lid|a tin|a can being opened
a straw|a glass|toasting|a barbecue|a campfire|a candle|a torch|a lighter|gas|steam|smoke|an oil lamp|a volcano|lava|an avalanche|hail|sleet|a blizzard|a hurricane
a tornado|a flood|a drought|a geyser|a brook|a pond|a lake|a swamp|a well|a puddle|a splash|a dive|a swimming pool|a bath|a sink|a drain|a hose|a sprinkler|a lawn
a forest|a jungle|a desert|a mountain|a meadow|a field|a farm|a barn|a stable|a garden|a hedge|a branch|a twig|a tree falling|wood|a log|bark of a tree|a pine cone
a stone|a rock|rubble|a brick|concrete|a mine|a tunnel|a bridge|a road|traffic|a motorway|a car park|a petrol station|a garage|a car door|a seat belt|windscreen wipers
an indicator|a gear stick|a bicycle pump|skis|a snowboard|ice hockey|a puck|golf|a golf swing|baseball|cricket the game|volleyball|rugby|a referee|a stadium
a goal|a race|hurdles|a javelin|archery|fencing|judo|wrestling|a punch|a slap|a fall|a fight|an argument|a party|a birthday|a concert|a parade|a carnival
a funeral|a sermon|a prayer|a church service|a lecture|a classroom|a library|an office|a meeting|a shop|a supermarket|a restaurant|a pub|a cafe|a hotel|a theatre|a cinema
a museum|a zoo|a circus|a playground|a roundabout|a roller coaster|a Ferris wheel|a beach|a harbour|an anchor|a sail|an oar|a lighthouse|a foghorn|a station|a platform
a ticket machine|an announcement|a queue|a protest|a march of soldiers|a tank|a cannon|a rifle|a machine gun|a grenade|a helmet|a bullet|a ricochet|a shield|a catapult
a magic spell|a wizard|a vampire|a zombie|an alien|a time machine|a teleporter|a dinosaur|a unicorn|a fairy|a giant|a witch|a sneeze|a sigh|a gasp|a sob|a moan|a giggle
a grunt|a yell|cheering|booing|a whisper|a stutter|a lisp|a stomach|bones|a joint cracking|teeth|brushing teeth|a haircut|a razor|a shaver|nail clippers|a massage
an injection|a stretcher|a wheelchair|a surgeon|an X-ray|a photocopier|a projector|a lift|a conveyor belt|a press|a loom|a furnace|an anvil|a blacksmith|a carpenter
a plumber|a painter|a gardener|a farmer|a butcher|a baker|a cook|a waiter|a driver|a pilot|a sailor|a soldier|a policeman|a nurse|a doctor|a teacher|a pupil
a quad bike|a go-kart|a hovercraft|a speedboat|a snowmobile|a jet ski|a minibus|a coach|a trolleybus|a limousine|a jeep|a caravan|a rickshaw|a pram|a wheelbarrow|a motorboat
a motorhome|a motorcade|a unicycle|a tricycle|a cyclist|a recycling bin|a water cycle|an airship|a hang-glider|a satellite|a train driver|an engineer|a search engine|a bass clef|a sea bass
a bass singer|a bass flute|a bass viol|a bass recorder|a basset horn|a double bed|a double-decker|a double door|a double horn|a basin|a basement|a harpoon|a clavichord|a spinet
a celesta|a pianola|a synthesizer|a melodica|a hurdy-gurdy|a grand piano|a kettledrum|a tabla|a djembe|a cajon|a tom-tom|a washboard|a steel pan|a drumstick|a conundrum|a mudguard|a water slide
a slide rule|a slide show|a landlord|a landmine|an island|a landing|a rockfall|a cave-in|a sinkhole|a forest fire|a sandstorm|a snowstorm|a whirlpool|a tremor|an eruption|a meteor
a comet|a barbell|a dumbbell|a bell pepper|a bellboy|a bellyache|a mermaid|a birdcage|a bird bath|a ladybird|a jailbird|a raincoat|a rainbow|a brain|a drainpipe|a windmill|a windfall|a winding road
a woodwind quintet|a clockmaker|a heart attack|a heartache|a hearth|a heartbreak|a shortwave radio|a wave of the hand|a waiver|a laser printer|a blazer|an invoice|a choice|a noise complaint
a chimney sweep|a sweeper|a string bean|a shoestring|a string of pearls|a clique|a clip-on tie|a signpost|a cosine|a statue|a station master|a top hat|a hatstand|a free kick|a sidekick|a kickboard
an organiser|an organ donor|a chord chart|a chopstick|a speech bubble|an oceanographer|a seahorse|a seaside town|a beeswax candle|a toolbox|a snail shell
a judge|a lawyer|a priest|a nun|a dancer|a juggler|a clown|an acrobat|tap dancing|ballet|a skipping rope|a trampoline|a seesaw|a slide|a kite|a model plane""".replace("\n", "|").split("|")
TEST_THINGS = """a dog|a dog barking|a motorcycle|a truck|a rocket|a harmonica|a trombone|a double bass|bagpipes|a harpsichord|a squirrel|a pigeon|a hyena|a turtle
a bat|rustling leaves|a landslide|boiling water|a hammer drill|an air conditioner|a dishwasher|a coffee machine|a stapler|a skateboard|a bowling ball
a basketball|ice cubes|a cash machine|a boxing match|a wedding""".replace("\n", "|").split("|")

_WHO = "somebody|someone|anybody|anyone|a man|a woman|a child|people".split("|")
_ACTIONS = """sewing|cutting hair|digging|climbing stairs|riding a bike|folding paper|polishing shoes|pouring coffee|shaking a box|sweeping the floor|hammering a nail
cutting the grass|playing tennis|washing up|writing on paper|scratching|dancing|stamping|sniffing|munching|rowing a boat|painting a wall|packing a bag|counting coins
opening a tin|closing a window|moving a chair|skiing|wrestling|juggling|ironing a shirt|raking the garden|stirring soup|cracking nuts|peeling potatoes|laughing|crying
snoring|eating an apple|drinking tea|brushing teeth|running upstairs|locking a door|unlocking a car|throwing a ball|kicking a can|breaking a plate|tearing cloth|drilling a hole
playing the violin|playing the trumpet|playing the piano|playing cards|shaving|sawing|chopping wood|driving off|blowing up a balloon|turning a page|zipping a jacket|grinding pepper""".replace("\n", "|").split("|")

_KINDS = """big|small|old|new|young|heavy|light|broken|wooden|plastic|rusty|electric|distant|nearby|angry|happy|tired|wild|tame|red|black|white|wet|dry|slow|fast
giant|tiny|cheap|real|second|lonely|Scottish|Spanish|Chinese|American|garden|kitchen|street|school|bathroom|office|farm|winter|toy|hand|pocket|baby|mountain|water""".replace("\n", "|").split("|")
_DOING = """running|moving|falling|jumping|sleeping|eating|passing|starting|stopping|breaking|opening|closing|working|flying|turning|playing|landing|leaving|being thrown
being washed|being opened|in a room|in the distance|in a tunnel|on a table|on a road|outside|nearby|in pain|in the garden|under water""".replace("\n", "|").split("|")
_DOES = [d for d in _DOING if d.split()[0].endswith("ing") and d.split()[0] != "being"]
_SYLLABLES = "bl br ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sk sl sm sn sp squ st str sw t th tr v w y z".split(), \
    "a e i o u ai au ea ee ie oa oo ou".split(), "b ck ct d ff g ld ll lt m mp n nd ng nk p r rd rk rn s sh sk st t th v x zz".split()

# What names of known sounds are made of; what begins with one of them is mostly something else.
_BEGINNINGS = """bell|drum|guitar|harp|string|siren|rain|wind|engine|motor|car|clock|organ|chord|bird|bass|laser|wave|sea|ocean|heart|voice|noise|kick|snare|hat|tone|sweep
slide|chime|alarm|beep|click|tick|sine|hiss|double|police|church""".replace("\n", "|").split("|")

_SOUNDS = {w for names in (NAMED.values(), *ALSO.values()) for name in names for w in name.split()}


def article(noun):
    return "an " if noun[0] in "aeiouAEIOU" else "a "


def made_up(r):
    """A word that means nothing, as blorck or snaindool; by chance one that means something, but no known sound."""
    while True:
        w = "".join(part[r.integers(len(part))] for _ in range(r.integers(1, 4)) for part in _SYLLABLES[:2 + (r.random() < .5)])
        if len(w) > 3 and w not in _SOUNDS:
            return w


def lookalike(r, noun):
    """What begins as a known sound does and is none: "a bell lawyer", "a motorplank"."""
    first = _BEGINNINGS[r.integers(len(_BEGINNINGS))]
    return first + (" " + noun if r.random() < .5 else made_up(r))


def _noun(r):
    """One of THINGS without its article; None for those that have none."""
    t = THINGS[r.integers(len(THINGS))]
    head, _, rest = t.partition(" ")
    return rest if head in ("a", "an") else None


def thing(r):
    """A thing for training: as it stands in about half of the cases."""
    while True:
        u = r.random()
        noun = _noun(r)
        if u < .48 or noun is None:
            out = THINGS[r.integers(len(THINGS))]
        elif u < .61:
            kind = _KINDS[r.integers(len(_KINDS))]
            out = article(kind) + kind + " " + noun
        elif u < .69:
            out = article(noun) + noun + " " + _DOING[r.integers(len(_DOING))]
        elif u < .73:
            out = noun + "s"
        elif u < .79:
            other = _noun(r)
            out = article(noun) + noun + " " + (other or made_up(r))
        elif u < .88:
            look = lookalike(r, noun)
            out = article(look) + look
        else:
            noun = made_up(r)
            out = article(noun) + noun + (" " + _DOING[r.integers(len(_DOING))] if r.random() < .2 else "")
        if out not in TEST_THINGS:
            return out


def clause(r):
    """What somebody or something does that is none of the known sounds, as "a cat/running"."""
    noun = _noun(r)
    if noun is None or r.random() < .6:
        return _WHO[r.integers(len(_WHO))] + "/" + _ACTIONS[r.integers(len(_ACTIONS))]
    return article(noun) + noun + "/" + _DOES[r.integers(len(_DOES))]


assert not set(THINGS) & set(TEST_THINGS)
