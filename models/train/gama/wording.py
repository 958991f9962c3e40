"""Names of the sounds, and questions in many wordings. [0] is for training, [1] for measuring only."""

NAMED = {"sine": "a sine tone", "chirp": "a sweep", "noise": "white noise", "kick": "a kick drum", "snare": "a snare drum", "hihat": "a hi-hat",
         "bell": "a bell", "pluck": "a plucked string", "siren": "a siren", "rain": "rain", "wind": "wind", "beep": "beeping", "engine": "an engine",
         "clicks": "clicking", "organ": "an organ chord", "birds": "birdsong", "wobble": "a wobble bass", "laser": "a laser zap",
         "waves": "ocean waves", "heart": "a heartbeat", "voice": "a voice"}
ALSO = {"sine": ["a pure tone", "a sine wave", "a steady tone"], "chirp": ["a frequency sweep", "a sliding tone", "a glide"],
        "noise": ["static", "hiss", "noise"], "kick": ["a bass drum", "a kick", "kick drums"], "snare": ["a snare", "snare hits", "snare drums"],
        "hihat": ["a hi hat", "cymbal ticks", "hi-hats"], "bell": ["a chime", "a bell ringing", "bells"],
        "pluck": ["a guitar", "a guitar string", "a harp"], "siren": ["an alarm siren", "a police siren", "sirens"],
        "rain": ["rainfall", "raindrops", "raining"], "wind": ["wind blowing", "a breeze", "blowing wind"], "beep": ["a beep", "beeps", "an alarm clock"],
        "engine": ["a motor", "a car engine", "a running engine"], "clicks": ["clicks", "ticking", "a clock"],
        "organ": ["an organ", "a church organ", "a chord"], "birds": ["birds", "a bird", "birds singing"],
        "wobble": ["wobble bass", "dubstep bass", "a wobbling bass"], "laser": ["a laser", "a laser gun", "laser shots"],
        "waves": ["waves", "the sea", "the ocean"], "heart": ["heartbeats", "a beating heart", "a heart beating"],
        "voice": ["speech", "talking", "someone talking", "a person speaking", "a human voice", "somebody speaking", "anyone speaking", "spoken words"]}
NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]

_ASK = {
    "describe": ("""What do you hear?|Describe the sound.|Describe the audio.|What is this sound?|What can you hear?|What is in this recording?
Tell me what you hear.|What sounds are in the audio?|Describe the audio clip.|Describe this recording.|What is happening in this clip?
Which sounds do you hear?|Tell me about the sound.|Please describe what you hear.|Write a caption for this audio.
Give a short description of the clip.|Identify the sound.|What am I listening to?|What is that noise?|What is it?|Caption this.
Name the sounds.|List the sounds in this clip.|What makes this sound?|Summarise the recording.|What is going on?|What sound is that?
What does it sound like?|Can you describe the sound?|Which sound is it?|What was that?|Classify this sound.|Explain what is heard.
What is audible here?|Describe everything you hear.|Summarize the audio.|Can you name what you hear?|Give me a caption.
Tell me about this clip.|Tell me about the audio.|Tell me what this is.|Tell me what is in the recording.|Say something about this sound.|Say what is heard.
What can be heard?|What can be heard here?|What can be heard in the recording?|What is heard in this clip?|What sounds can be heard?
What can one hear in the clip?|Which sounds can be heard in this?|What is to be heard in this sound?|What is in this clip?|What is this?
Describe this clip.|Describe what can be heard.|What do we hear in this clip?|What could be heard there?|Please describe this recording.""",
                 """What can be heard in this clip?|Please describe the audio.|What is the sound in this audio?|Tell me about this recording.
Can you tell me what this sound is?|Which sounds are there?"""),
    "first": ("""What comes first?|Which sound is first?|What do you hear first?|What is the first sound?|Name the first sound.|How does the clip begin?
What sound does it start with?|At the start, what do you hear?|Which sound comes at the beginning?|Tell me the first sound.
What is heard at the beginning?|What happens first?|What is the opening sound?|What starts the clip?|How does it start?
Which of the sounds comes first?|What sound is heard first?|First sound?|What do I hear at the start?|With what does it begin?""",
              "Which sound do you hear first?|What sound is at the start of the clip?|What does the recording begin with?"),
    "second": ("""What comes second?|Which sound is second?|What do you hear second?|What is the second sound?|Name the second sound.|How does the clip end?
What sound does it end with?|At the end, what do you hear?|Which sound comes last?|What comes after the first sound?|Tell me the last sound.
What is heard at the end?|What happens after that?|What is the final sound?|What ends the clip?|How does it end?|Which of the sounds comes last?
What sound is heard last?|Last sound?|What follows the first sound?|With what does it end?|What is the last sound?""",
               "Which sound do you hear last?|What sound is at the end of the clip?|What is the sound after the first one?"),
    "count": ("""How many sounds are there?|How many sounds do you hear?|Count the sounds.|How many different sounds are in the clip?
Is it one sound or two?|What is the number of sounds?|How many sound sources are there?|Tell me how many sounds you hear.
How many things can you hear?|Give the number of different sounds.|How many kinds of sound are there?|Number of sounds?
How many different things do you hear?|Is there more than one sound?|Are there two sounds?|Is it only one sound?""",
              "How many sounds are in this recording?|Count the different sounds you hear.|How many sounds can be heard?"),
    "exist": ("""Is there {}?|Do you hear {}?|Can you hear {}?|Is {} in the audio?|Does the clip contain {}?|Is there {} in this recording?
Does this sound like {}?|Is this {}?|Do you hear {} in the clip?|Tell me if there is {}.|Is {} present?|Was there {}?|Is that {}?
Could this be {}?|Is {} audible?|Did you hear {}?|Any {}?|Are there {}?|Does it have {}?|Is it {}?|Have you heard {}?
Is {} there?|Would you say this is {}?|I think I hear {}. Is that right?|Listen for {}. Is it there?""",
              "Can you hear {} in this audio?|Is there {} in the clip?|Does the recording contain {}?"),
    "either": ("""Is it {} or {}?|Is there {} or {}?|Do you hear {} or {}?|Is this {} or {}?|Which is it, {} or {}?|{} or {}?|Did I hear {} or {}?""",
               "Can you hear {} or {}?|Does this sound like {} or {}?"),
    "loud": ("""Is it loud or soft?|Is the sound loud or soft?|How loud is it?|Is it loud?|Is it soft or loud?|What is the volume?
Is the audio loud or quiet?|Is it a loud sound?|Tell me how loud the sound is.|Is the clip quiet?|How loud is the recording?
Is it quiet?|Is it soft?|Loud or soft?|Is the volume high or low?|What is the loudness?|Is it noisy or quiet?|How noisy is it?""",
             "Is this recording loud or soft?|How loud is the sound?|Is the clip loud or quiet?"),
    "pitch": ("""Is the pitch rising or falling?|Does the pitch rise or fall?|Does the tone go up or down?|Which way does the pitch go?
Is the pitch going up or down?|Is it rising or falling?|How does the pitch change?|Does the sound go up or down?|Is the tone rising?
Tell me if the pitch rises or falls.|Is the sweep rising or falling?|Does it go up or down?|Up or down?|Is it falling?|Does it rise?
In which direction does the pitch move?|Does the tone rise or fall?|Is the tone going up or down?|Where does the tone go?
Which way is the sound going?|Which direction does it take?|Which way does the sweep go?|Is the tone getting higher or lower?
Does the pitch get higher or lower?|Does the sound rise or fall?|Which way does it move?|Is the pitch moving up or down?""",
              "Is the tone rising or falling?|Does the pitch go up or down?|Which way does the tone go?"),
    "seconds": ("""How long is it?|How long is the sound?|How many seconds is it?|What is the duration?|How long does it last?
How many seconds does the clip last?|What is the length of the recording?|Tell me how long it is.|Give the duration in seconds.
How long is the clip?|Length?|How many seconds long is it?|For how long does it play?|What is the duration in seconds?|How long does the sound go on?""",
                "How long is this recording?|How many seconds long is the sound?|What is the duration of the clip?"),
    "word": ("""What word is said?|Which word do you hear?|What is said?|What does the voice say?|What is the word?|What does the speaker say?
Which word is spoken?|What is the person saying?|Tell me the word.|Write down the word.|Transcribe the speech.|What did they say?""",
             "Which word is said in the clip?|What word does the voice say?|What is being said?"),
    "beyond": ("""Which instrument is playing?|What key is it in?|What language is it?|Who is speaking?|What is the tempo?|Is it indoors or outdoors?
Where was this recorded?|When was this recorded?|Who made this recording?|Is it a man or a woman?|What song is this?|Who is the singer?
What mood is it?|Is it happy or sad?|How far away is it?|What brand is it?|How many people are there?|How old is the speaker?
What is the frequency in hertz?|What note is it?|Which chord is it?|Is it real or synthetic?|Is it in stereo?|What is the sample rate?
What microphone was used?|Is it day or night?|What colour is it?|Which city is this?|Is it dangerous?|How many beats per minute?
What is the weather like there?|What animal is it?|Who plays the guitar?|Is it music?|What genre is it?|What emotion is in the voice?
How big is the room?|What is it made of?|Which bird is it?|What kind of car is it?|Is the recording old?|Why does it sound like this?""",
               """Which musical instrument is this?|What time of day was it recorded?|How fast is the beat?|In which country was this recorded?
Which language is spoken?|What is the name of this song?|What model of car is it?|Is the speaker angry?|How large is the hall?|What scale is it in?"""),
    "off": ("""What is the capital of France?|Who are you?|Tell me a joke.|What is two plus two?|Write a poem.|What time is it?|Hello.
How is the weather today?|Who wrote this book?|What is your name?|Translate this to German.|Give me a recipe for bread.|Hi, how are you?
Where is London?|Write some code in Python.|What is the capital of Italy?|What is the capital of Japan?|Tell me a riddle.|Sing a song.
Who won the match?|What is the meaning of life?|How tall is the tower?|What day is it?|Who is the king?|Write a letter to my boss.
How do I cook rice?|What is ten times three?|Tell me about history.|Where do you live?|Are you a robot?|Can you help me with my homework?
What is the best film?|Recommend a book.|Thanks.|Good morning.|What is the square root of nine?|Translate hello into French.
Who invented the phone?|Tell me the news.|Write an essay.|Book a table for two.|How much does it cost?|Who was the first president?
Tell me something about Rome.|Give me some advice.|Which team is best?|How do planes fly?|Explain gravity.|Play chess with me.""",
            "What is the capital of Spain?|Tell me a story.|Who is the president?|What is five times six?|Where is Paris?|How old are you?")}
ASK = {kind: tuple(part.replace("\n", "|").split("|") for part in parts) for kind, parts in _ASK.items()}

# More of what no sound tells, for training: each word goes into three of its row's templates in turn.
_BEYOND = [
    ("What is the {}?|Which {} is it?|What {} is it?|Tell me the {}.|Do you know the {}?|Can you tell the {}?|What {} does it have?|Guess the {}.",
     """colour|brand|make|price|weight|temperature|age|origin|title|composer|author|artist|singer|owner|key|tempo|rhythm|metre|mood|style|genre|purpose
place|town|street|address|date|year|season|weather|accent|dialect|nationality|frequency|sample rate|bit rate|format|distance|speed|size|material|shape
breed|species|gender|quality|language|melody|nation|landscape|building|machine type|year of make|manufacturer|music style|tuning|time signature"""),
    ("Who {}?|Do you know who {}?|Tell me who {}.",
     "sings|plays|recorded it|wrote this|is talking|is driving|was there|composed this|made it|owns it|is the artist|is at the door|performs this|is calling"),
    ("Where {}?|Do you know where {}?|Can you tell where {}?",
     "was it made|does it come from|is the speaker|are we|was the microphone|is this place|was the clip taken|does the bird live|is the machine|does this happen"),
    ("When {}?|Why {}?|How {}?", "was it made|did it happen|was it built|did they do this|does it work|was the clip taken|did they meet|was it written"),
    ("Is it {}?|Is this {}?|Do you think it is {}?|Would you call it {}?",
     """expensive|new|broken|big|small|far away|near|alive|warm|cold|genuine|fake|famous|funny|scary|beautiful|safe|legal|wet|rare|healthy|male|female|outside
indoors|in English|in French|in Chinese|in a major key|in a minor key|made of metal|made of wood|live|professional|a good recording|in a city|at night|in summer"""),
    ("Is the {} happy?|Is the {} young?|Is the {} tired?|Is the {} old?|Is the {} a man?|Is the {} British?|Is the {} nervous?|Is the {} alone?|Is the {} sad?",
     "person|singer|driver|woman|man|child|voice|speaker|musician|listener|player|owner"),
    ("How old is the {}?|How big is the {}?|How far away is the {}?|How heavy is the {}?|How fast is the {}?|How expensive is the {}?|How warm is the {}?|How good is the {}?",
     "car|room|person|animal|house|train|guitar|place|machine|building|town|singer|bird|water|instrument|street|engine|clock|church|orchestra"),
    ("What kind of {} is it?|Which type of {} is this?|What sort of {} do you hear?|Which make of {} is it?|What model is the {}?|Which {} exactly?",
     "engine|car|bird|drum|guitar|room|microphone|music|animal|machine|dog|plane|clock|piano|phone|bell|boat|instrument|organ|truck"),
    ("In which {} was it made?|In what {} are we?|In which {} is this?|From which {} does it come?|What {} could it be from?",
     "city|room|building|year|season|street|part of the world|land|film|game|album|decade|century|forest|month|region"),
    ("At what {} was it taken?|At which {} did it happen?|What {} is it there?", "hour|time of the year|date|place|time of the week|temperature|height|distance")]


def beyond():
    for templates, fillers in _BEYOND:
        templates = templates.split("|")
        for i, filler in enumerate(fillers.replace("\n", "|").split("|")):
            for k in range(3):
                yield templates[(3 * i + k) % len(templates)].format(filler)


ASK["beyond"][0].extend(q for q in beyond() if q not in ASK["beyond"][1])

# What one may ask next, the earlier turn being of the kind on the left; on the right, what it means.
FOLLOW = {
    "first": [(["And then?", "What comes next?", "And after that?", "What follows?", "Then what?", "And next?", "What comes after it?", "And the second one?"],
               ["And what comes then?", "What is next?"], "second")],
    "second": [(["And before that?", "What came before?", "And the first one?", "What was before it?", "And at the start?"],
                ["And what came first?", "What is before that?"], "first")],
    "describe": [(["Is it loud?", "How loud?", "And how loud is it?", "Loud or quiet?"], ["And is it loud?", "How loud is that?"], "loud"),
                 (["How long?", "And how long is it?", "For how long?", "And the length?"], ["How long is that?", "And how long does it last?"], "seconds"),
                 (["How many is that?", "And how many sounds is that?", "One or two?"], ["How many are those?"], "count"),
                 (["Which of them comes first?", "Which is first?", "And first?"], ["Which one comes first?"], "first"),
                 (["Which of them comes last?", "Which is last?", "And last?"], ["Which one comes last?"], "second")],
    "count": [(["Which ones?", "Which?", "What are they?", "What is it?", "Name them."], ["Which are they?", "And what are they?"], "describe")],
    "exist": [(["And {}?", "What about {}?", "Or {}?", "How about {}?", "And is there {}?", "{}?"], ["And what about {}?", "And do you hear {}?"], "exist"),
              (["What else?", "What is it then?", "So what do you hear?", "What do you hear then?"], ["Then what is it?"], "describe")],
    "loud": [(["And how long?", "How long is it then?", "And its length?"], ["And how long is that?"], "seconds"),
             (["And what is it?", "What is it that I hear?", "What makes it?"], ["And what do you hear?"], "describe")],
    "seconds": [(["And how loud?", "Loud or soft?", "And the volume?"], ["And is it loud or soft?"], "loud")],
    "word": [(["And how loud?", "Is it said loudly?"], ["Is that loud?"], "loud")]}

# Things that are none of the known sounds.
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
swallowing|a kiss|hiccups|burping|gargling|humming|beatboxing|yodelling|a speech by a king|a dentist|a hospital|an airport|a school|a market|a kitchen""".replace("\n", "|").split("|")
TEST_THINGS = """a dog|a dog barking|a motorcycle|a truck|a rocket|a harmonica|a trombone|a double bass|bagpipes|a harpsichord|a squirrel|a pigeon|a hyena|a turtle
a bat|rustling leaves|a landslide|boiling water|a hammer drill|an air conditioner|a dishwasher|a coffee machine|a stapler|a skateboard|a bowling ball
a basketball|ice cubes|a cash machine|a boxing match|a wedding""".replace("\n", "|").split("|")

assert list(NAMED) == list(ALSO)
assert not set(THINGS) & set(TEST_THINGS)
assert all(not set(train) & set(test) for train, test in ASK.values())
