"""Names of the sounds, and questions in many wordings. [0] is for training, [1] for measuring only."""
import itertools

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
# What they do, as "who/doing what", for questions such as "Is a bell ringing?"; for training only.
CLAUSES = {"sine": ["a tone/sounding"], "chirp": ["a tone/sliding", "a tone/gliding"], "noise": ["noise/hissing"], "kick": ["a bass drum/beating", "somebody/hitting a bass drum"],
           "snare": ["a snare drum/rattling", "somebody/playing a snare"], "hihat": ["a hi-hat/ticking", "somebody/playing a hi-hat"],
           "bell": ["a bell/ringing", "a bell/tolling", "a chime/ringing"], "pluck": ["somebody/plucking a string", "a guitar/playing", "a harp/playing"],
           "siren": ["a siren/wailing", "a siren/going"], "rain": ["rain/falling", "rain/pouring down"], "wind": ["wind/blowing", "the wind/howling"],
           "beep": ["something/beeping", "an alarm clock/beeping"], "engine": ["an engine/running", "a motor/humming", "a car engine/idling"],
           "clicks": ["something/clicking", "a clock/ticking"], "organ": ["an organ/playing", "somebody/playing the organ"],
           "birds": ["birds/singing", "a bird/singing", "a bird/chirping", "birds/chirping"], "wobble": ["a bass/wobbling"],
           "laser": ["a laser/firing", "somebody/firing a laser"], "waves": ["waves/breaking", "waves/rolling in", "the sea/roaring"],
           "heart": ["a heart/beating", "somebody's heart/beating"],
           "voice": ["someone/talking", "somebody/speaking", "anyone/talking", "anybody/speaking", "a person/talking", "people/talking", "somebody/saying something"]}
# Whether something is at the start or at the end; for training only.
PLACED = [["Is there {} at the start?", "Do you hear {} at the beginning?", "Does it begin with {}?", "Is {} first?", "Is the first sound {}?", "Does it start with {}?",
           "Is that {} at the start?", "{} at the beginning?", "Does {} come first?"],
          ["Is there {} at the end?", "Do you hear {} at the end?", "Does it end with {}?", "Is {} last?", "Is the last sound {}?", "Does it close with {}?",
           "Is that {} at the end?", "{} at the end?", "Does {} come last?"]]
CLAUSE_ASK = ["{}?", "{} here?", "{} in this clip?", "{} at all?", "{} somewhere?", "{}, yes or no?", "Tell me, {}?", "{} in the background?", "{} or not?"]
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
Is {} there?|Would you say this is {}?|I think I hear {}. Is that right?|Listen for {}. Is it there?|Can {} be heard?|Does {} occur in this?
Do you notice {}?|Does it include {}?|Is {} part of this?|This is {}, right?|Might that be {}?|I believe this is {}. Is it?|Let me know if you hear {}.
See if there is {} in it.|Somebody said that there is {} in it. Is that so?|Was that {}, or am I wrong?|{} or not?|Find out if {} is in this.
To me this sounds like {}. Does it to you?|What about {}? Is it in there?|Is what I hear {}?|Do we hear {} at some point?|Does {} come up?""",
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

# More of what no sound tells, and of what is no question about the sound, for training: a template, then what may stand
# in its first gap, and in its second.
_PLACES = "| in this| in there| in here| in this one| anywhere| somewhere| in the recording| in the background| at some point| at all"
_GRAMMAR = {
    # {{}} stays, for the sound that is asked for
    "exist": [
        ("""Is there {{}}{}{}|Do you hear {{}}{}{}|Can you hear {{}}{}{}|Does it have {{}}{}{}|Could there be {{}}{}{}|Did you notice {{}}{}{}|Have you found {{}}{}{}
Can one hear {{}}{}{}|Does the clip have {{}}{}{}|Do you recognise {{}}{}{}|Was there {{}}{}{}|Is there any sign of {{}}{}{}|Do we get {{}}{}{}|Did I hear {{}}{}{}""",
         _PLACES, "?|, yes or no?| or not?|, please?|, do you know?"),
        ("""There is {{}}{}{}|I hear {{}}{}{}|There must be {{}}{}{}|You hear {{}}{}{}|I can hear {{}}{}{}|This has {{}}{}{}|We have {{}}{}{}|They say there is {{}}{}{}|There's {{}}{}{}|I've heard {{}}{}{}""",
         _PLACES, ", right?|, isn't there?|, is that true?|, am I right?|. Correct?|, yes?|, don't you think?|. Do you agree?|. Is it so?|, or not?|, don't I?"),
        ("That is {{}}{}|It is {{}}{}|That's {{}}{}|It's {{}}{}|I'd say it's {{}}{}|It sounds like {{}}{}|This seems to be {{}}{}|This one has {{}}{}|{{}}{}|Sounds like {{}}{}",
         ", right?|, isn't it?|, yes or no?|, am I right?|. Correct?|. Do you agree?|, or not?|, or am I imagining it?|, is it there?|, can you hear it?|, is that in there?"),
        ("""Tell me if there is {{}}{}.|Check whether there is {{}}{}.|Say whether you hear {{}}{}.|I want to know if there is {{}}{}.|Can you tell me if there is {{}}{}?
Find out if it has {{}}{}.|Let me know whether there is {{}}{}.|I wonder if there is {{}}{}.|Would you check for {{}}{}?|Try to find {{}}{}.|Tell me if there's {{}}{}.|Go through it and see if {{}} can be heard{}.""", _PLACES),
    ],
    "beyond": [
        ("Tell me which {} this {}.|Can you say which {} this {}?|I want to know which {} this {}.|Which {} do you think this {}?",
         "film|town|album|room|year|region|band|game|street|studio|singer|shop|book", "comes from|was made in|is|belongs to|was taken in|was made for"),
        ("Which {} is the {} from?|From which {} is the {}?|What {} does the {} come from?", "town|film|planet|room|region|year|album|series|street|house", "recording|noise|audio|thing|clip"),
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
        ("Is the {} {}?|Does the {} sound {}?|Would you say the {} is {}?", "person|singer|driver|woman|man|child|voice|musician|listener|player|owner|actor|caller|speaker|talker|teacher|boy|girl|lady",
         """happy|young|tired|old|British|nervous|alone|sad|calm|bored|ill|drunk|in love|famous|worried|male|polite|drowsy|foreign|rich|cheerful|upset|excited|annoyed
furious|jealous|proud|shy|friendly|rude|frightened|shocked|hungry|confused|serious|joking|lying|relaxed|female|in a hurry"""),
        ("How {} is the {}?|Can you tell how {} the {} is?", "old|big|far away|heavy|fast|expensive|warm|good|wide|high|deep|clean|new|strong|safe|full|tall|tired",
         "car|room|person|animal|house|train|guitar|place|machine|building|town|singer|bird|water|instrument|street|engine|clock|church|orchestra|crowd|tune|drum"),
        ("What {} of {} is it?|Which {} of {} is this?|What {} of {} do you hear?|What {} of {} was used?", "kind|type|sort|make|brand|size|age|class",
         "engine|car|bird|drum|guitar|room|microphone|music|animal|machine|plane|clock|piano|phone|bell|boat|instrument|organ|lorry|wood|street|cat"),
        ("In which {} was it {}?|In what {} was this {}?|From which {} was that {}?", "city|room|building|year|season|street|part of the world|studio|film|game|decade|century|forest|month|region",
         "made|taken|heard|filmed|played|written|sung|sold|invented"),
        ("What {} was it {}?|At what {} was this {}?", "hour|year|season|date|place|time of the week|temperature|height|distance|month|day|speed|age", "made|taken|heard|filmed|played|written|sung"),
        ("What is the {} of the {}?|Tell me the {} of the {}.|Do you know the {} of the {}?|Can you guess the {} of the {}?",
         "name|colour|price|age|owner|make|weight|size|nationality|title|home|job|style|maker|history", "singer|band|street|film|album|composer|speaker|car|room|animal|place|tune|show|machine|driver|bird|guitar|artist"),
        ("Which {} is {}?|What {} is {}?|Do you know which {} is {}?", "band|person|player|dialect|chord|tuning|machine|microphone|tool|scale|artist|animal|effect|metal",
         "playing|used|shown|on|being used|singing|nearest|it in|best|meant|at work"),
        ("How did {} feel?|What was {} thinking of?|What was {} wearing?|What is the job of {}?|How tall is {}?", "the person|the singer|the speaker|the man|the woman|the musician|whoever did this|the driver|the maker"),
        ("How many {} {}?|Do you know how many {} {}?", "people|listeners|musicians|fans|players|workers|neighbours|tourists",
         "heard it|were there|took part|own one|bought it|are in the band|made it|like it|live there"),
        ("Was it {} when {}?|How {} was it when {}?", "cold|dark|hot|cloudy|late|early|busy|foggy|warm|crowded", "this was made|they made it|it was taken|it happened|he came"),
        ("Which {} is it from?|What {} does it come from?|From which {} did you get it?|Do you know the {} it is from?", "film|album|game|show|region|book|opera|advert|series|play|continent|website|library|town"),
        ("How much {}?|Tell me how much {}.|Can you tell how much {}?", "did it cost|does it weigh|is it worth|money was spent on it|did they pay|does one of these cost|power does it use"),
        ("What was it {} with?|What was this {} on?|Which software was it {} with?", "recorded|made|filmed|mixed|edited|built|cut"),
        ("Why did {} {}?|When did {} {}?", "they|he|she|somebody|the owner|these people", "record this|make it|stop|keep it|send it|leave|put it online|buy it|do that"),
        ("Is {} {}?|Was {} {}?|Do you think {} is {}?", "the owner|the place|whoever did this|the composer|the maker|the neighbour", "famous|rich|still alive|well known|expensive|married|German|near a road|from a village"),
    ],
    "off": [
        ("What is the capital of {}?|Where is {}?|How many people live in {}?|What language do they speak in {}?|Tell me about {}.|How do I get to {}?",
         "France|Italy|Japan|Germany|Poland|Egypt|India|Brazil|Canada|Norway|Berlin|Rome|Tokyo|Vienna|Moscow|Africa|Lisbon|Kenya|Chile|Cairo"),
        ("What is {} {}?|How much is {} {}?|Work out {} {}.|Calculate {} {}.", "two|three|seven|eight|nine|ten|twelve|twenty",
         "plus two|plus nine|times ten|times four|minus one|minus three|divided by two|squared"),
        ("Write {} {}.|Give me {} {}.|Tell me {} {}.|Can you write {} {}?", "a poem|a tale|a joke|a song|an essay|a letter|a recipe|a speech|a list|a play|a summary|some code|a riddle",
         "about cats|for my mother|for a friend|about the war|about love|in French|with eggs|about money|for school|in Python|about the moon"),
        ("Who {} {}?|Do you know who {} {}?|When did they say who {} {}?", "wrote|invented|discovered|built|painted|won|directed|owns|married|founded",
         "this novel|the telephone|America|the tower|the match|the cup|Google|the queen|the light bulb|the film|electricity|the play"),
        ("How do I {} {}?|Help me {} {}.|Can you {} {}?|Please {} {}.", "cook|fix|buy|sell|learn|clean|translate|find|book|draw|open|spell|plan|cancel",
         "rice|a flat|my car|German|the kitchen|this text|a hotel|a cat|the window|my homework|a holiday|an egg|the order|shoes"),
        ("How are {}?|Who are {}?|What do {} like?|Where do {} come from?|Are {} clever?|Do {} sleep?", "you|you today|your parents|your friends|your makers|robots|computers|cats|you really"),
        ("What is {} {} {}?|How much is {} {} {}?|{} {} {}?|Tell me what {} {} {} is.", "3|7|12|15|23|36|48|64|99|100|250|1000", "plus|minus|times|divided by|+|-|x", "2|4|5|8|9|11|14|30|81|300"),
        ("Who was {} in {}?|Who became {} in {}?|Do you know who was {} in {}?", "the president|the queen|champion|the prime minister|the pope|the mayor of London|the best player|the richest man|the winner",
         "1805|1914|1950|1972|1984|1999|2003|2012|2018|the nineties|the final"),
        ("When did {}?|Why did {}?|In which year did {}?", """the war end|they land on the moon|Rome fall|the ship sink|Einstein die|the wall come down|the revolution begin|Columbus sail
the dinosaurs die out|the Beatles split up|Germany win|the king die|the tower fall"""),
        ("What is the {} {} in the world?|Name the {} {} in the world.|Which is the {} {} in Europe?", "tallest|longest|largest|smallest|oldest|fastest|richest|deepest",
         "mountain|river|city|building|country|animal|lake|bridge|island|person"),
        ("Translate {} into {}.|What is {} in {}?|How do you say {} in {}?|Say {} in {}.", "butterfly|thank you|goodbye|the moon|I love you|my house|hello|water|good night|yesterday|please",
         "French|Latin|Spanish|Italian|Polish|Dutch|Japanese|Russian"),
        ("Do you {}?|Can you {}?|Would you {}?|Did you ever {}?", """dream|feel pain|have feelings|have friends|drink coffee|like football|have a family|get tired|speak Spanish|know everything|remember me
believe in God|love me|have hobbies|have a pet|like pizza|go on holiday|read books|pay taxes|lie"""),
        ("Help me plan {} for {}.|Suggest {} for {}.|I need {} for {}.|Find me {} for {}.", "a trip|a party|a menu|a diet|a budget|a workout|a present|a name|a speech|a weekend|a hotel",
         "my wife|two people|next week|my son|Italy|the summer|ten guests|a beginner|Christmas|Monday"),
        ("Good {}.|Good {}, my friend.|Have a nice {}.|Good {}, what can you do?|Hello and good {}.", "morning|night|afternoon|day|evening|weekend"),
        ("What {} should I {}?|Which {} should I {}?|Which {} would you {}?|What {} do you {}?", "book|film|phone|car|dress|wine|school|job|cake|game|city", "buy|take|choose|read|see|try|like best|start with|recommend"),
        ("What does {} mean?|How do you spell {}?|Explain {}.|What is {}?|Define {}.", "democracy|an atom|inflation|irony|a prime number|evolution|a verb|DNA|a mortgage|philosophy|a black hole|photosynthesis"),
    ]}


def _fill(template, gaps):
    return [template.format(*words) for words in itertools.product(*gaps)]


def stem(verb):
    """ringing -> ring, running -> run, gliding -> glide."""
    root = verb[:-3]
    if root[-1] == root[-2] and root[-1] not in "lsf":
        return root[:-1]
    return root + "e" if root in _SILENT or root[-2:] in ("dl", "tl", "bl", "gl", "zl", "fl") else root


_SILENT = {"slid", "glid", "fir", "driv", "rid", "shav", "danc", "clos", "mov", "shak", "writ", "rak", "leav", "snor"}


def grammar(kind):
    """All questions of a kind that its grammar has, none of them held out."""
    for templates, *gaps in _GRAMMAR[kind]:
        gaps = [g.replace("\n", "|").split("|") for g in gaps]
        for t in templates.replace("\n", "|").split("|"):
            yield [q for q in _fill(t, gaps) if q not in ASK[kind][1]]


# Each row of a grammar is as likely as any other, however many words its gaps have.
GRAMMAR = {kind: list(grammar(kind)) for kind in _GRAMMAR}

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

assert list(NAMED) == list(ALSO) == list(CLAUSES)
assert all(not set(train) & set(test) for train, test in ASK.values())
