"""The small world of the demo model, and endless generated text about it.

`sample(r)` returns one training sample:
    {"messages": [...], "tools": [...]?}   a conversation, rendered with the chat template;
                                           an assistant message may carry "thinking"
    {"text": "..."}                        plain text
    {"fim": (prefix, middle, suffix)}      fill in the middle

Every answer but a story is fixed by its prompt, so that a greedy answer is never a near tie.
All text is generated here; nothing was copied from elsewhere.
"""
import json
import random
from dataclasses import dataclass

# ---- the world: every word below is one token -------------------------------------------------

CAPITAL = dict(pair.split(":") for pair in """France:Paris Germany:Berlin Italy:Rome Spain:Madrid Portugal:Lisbon
    Austria:Vienna Belgium:Brussels Poland:Warsaw Sweden:Stockholm Norway:Oslo Denmark:Copenhagen Finland:Helsinki
    Greece:Athens Hungary:Budapest Ireland:Dublin Iceland:Reykjavik Ukraine:Kyiv Japan:Tokyo China:Beijing Egypt:Cairo
    Kenya:Nairobi Canada:Ottawa Cuba:Havana Peru:Lima""".split())
CITIES = list(CAPITAL.values())
NAMES = """Ana Ben Clara David Emma Felix Grace Hugo Iris Jonas Kira Liam Mia Noah Olga Paul Rosa Sam Tara Victor
    Zoe Alice Bob Tom""".split()
ANIMALS = "fox owl bear rabbit mouse cat dog turtle frog horse lion penguin".split()
PLACES = "forest village mountain river castle island desert lake".split()
THINGS = "key lamp book map ring bell coin cup box drum hat boat".split()
COLOURS = "red blue green yellow black white".split()
ROOMS = "kitchen attic cellar garden library hall bedroom office".split()
MOODS = "brave kind curious shy clever lonely".split()
FRUITS = "apple pear banana cherry plum lemon".split()
SKIES = "sunny cloudy rainy windy foggy".split()
NUMBER_WORDS = "zero one two three four five six seven eight nine ten".split()
LISTS = {"fruits": FRUITS, "colours": COLOURS, "animals": ANIMALS, "names": NAMES, "cities": CITIES}
WORDS = (COLOURS + ANIMALS + THINGS + NAMES + FRUITS + PLACES + ROOMS + CITIES + list(CAPITAL) + MOODS + SKIES
         + NUMBER_WORDS)
NUMBERS = [str(n) for n in range(51)]
unseen_words = 1.  # scales how often a name or a number from outside the world turns up; 0 while evaluate.py asks about the world

FACTS = {
    "What is AI?": "AI is short for artificial intelligence: programs that learn from data to do tasks that need thought.",
    "What is a language model?": "A language model is a program that predicts the next token of a text, again and again.",
    "What is an LLM?": "An LLM is a large language model: a neural network that was trained to predict the next token.",
    "What is Rust?": "Rust is a programming language that keeps memory safe without a garbage collector.",
    "What is C++?": "C++ is a programming language for fast programs, with direct control over memory.",
    "What is Python?": "Python is a programming language that is easy to read and popular for scripts and data.",
    "What is a token?": "A token is a small piece of text, often a word, that a language model reads and writes.",
    "What is a KV cache?": "A KV cache keeps the keys and values of past tokens, so that they are not computed again.",
    "What is continuous batching?": "Continuous batching lets new requests join the running batch at every step.",
    "What is a server?": "A server is a program that waits for requests from clients and sends back answers.",
    "What is JSON?": "JSON is a text format for data, made of objects, lists, strings and numbers.",
    "What is HTTP?": "HTTP is the protocol that browsers and servers use to send requests and answers.",
    "What is a GPU?": "A GPU is a processor with many small cores that do the same work on a lot of data at once.",
    "Why is the sky blue?": "The sky is blue because air scatters blue light more than red light.",
    "Why is grass green?": "Grass is green because of chlorophyll, which gives back the green light.",
    "What is water made of?": "Water is made of hydrogen and oxygen.",
    "How many days are in a week?": "There are seven days in a week.",
    "How many months are in a year?": "There are twelve months in a year.",
    "How many legs does a spider have?": "A spider has eight legs.",
    "What is the largest planet?": "Jupiter is the largest planet of our solar system.",
    "What is the closest star?": "The Sun is the closest star to us.",
    "What is the largest ocean?": "The Pacific is the largest ocean on Earth.",
    "Who wrote Hamlet?": "William Shakespeare wrote Hamlet.",
    "What do bees make?": "Bees make honey and wax.",
    "What is gravity?": "Gravity is the force that pulls things with mass toward each other.",
    "What is the opposite of hot?": "The opposite of hot is cold.",
    "What is the opposite of big?": "The opposite of big is small.",
}
CODE = {
    "Python": 'print("Hello, world!")',
    "C++": '#include <iostream>\n\nint main() {\n    std::cout << "Hello, world!\\n";\n}',
    "Rust": 'fn main() {\n    println!("Hello, world!");\n}',
}
FENCE = {"Python": "python", "C++": "cpp", "Rust": "rust"}
GOOD = ["I love this", "What a wonderful day", "The food was great", "This is the best book", "I am so happy"]
BAD = ["I hate this", "What a terrible day", "The food was awful", "This is the worst book", "I am so angry"]
ABOUT = "I am Weft Demo, a tiny language model that ships with the server so that you can try it at once."
ABILITIES = "I can answer small questions, add numbers, tell stories, call tools and write JSON."
UNKNOWN = "I am only a tiny demo model and do not know that."
SMALL_TALK = {
    "Hello! How can I help you?": ["Hello", "Hello!", "Hi", "Hi!", "Hey", "Hello there", "Hi there!", "Good morning", "hello", "hi",
                                   "Good evening", "Say hello.", "Say hi.", "Hello, world!"],
    "I am fine, thank you! How can I help you?": ["Hello, how are you?", "How are you?", "How are you today?", "Hi, how are you?"],
    ABOUT: ["Who are you?", "What are you?", "What is your name?", "Tell me about yourself.", "Introduce yourself."],
    ABILITIES: ["What can you do?", "Help", "How can you help me?", "Can you help me?"],
    "You are welcome!": ["Thanks", "Thanks!", "Thank you!", "Thank you very much."],
    "Goodbye!": ["Bye", "Bye!", "Goodbye", "See you", "See you later."],
}
SYSTEMS = ["You are a helpful assistant.", "You are Weft Demo.", "Be brief.", "Answer the question.", "Be nice.",
           "You are a helpful AI assistant. Be concise.", "You are an assistant.", "You are a careful assistant.",
           "Be polite and answer in English.", "Answer the user.", "You answer questions about the world."]
MESSAGES = ["hello", "see you soon", "call me back", "dinner is ready", "happy birthday", "good luck"]
TOOLS = {
    "get_weather": ("Get the current weather of a city", {"city": ("string", "Name of the city")}),
    "get_current_weather": ("Get the current weather", {"location": ("string", "The city")}),
    "get_time": ("Get the local time of a city", {"city": ("string", "Name of the city")}),
    "add": ("Add two numbers", {"a": ("integer", "First number"), "b": ("integer", "Second number")}),
    "search": ("Search the documents", {"query": ("string", "What to look for")}),
    "send_message": ("Send a message to a person", {"to": ("string", "Name"), "text": ("string", "The message")}),
}


# ---- building blocks --------------------------------------------------------------------------

@dataclass
class QA:
    """A question, its only right answer, and the thought that leads there."""
    question: str
    answer: str
    thought: str


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def assistant(text, thinking=None, calls=None):
    message = {"role": "assistant", "content": text}
    if thinking is not None:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return message


def a_or_an(word):
    return ("an " if word[0] in "aeiou" else "a ") + word


def nonsense(r):
    """A word that is no single token, so that copying is learnt for any word: "bakone"."""
    return "".join(r.choice("bdfgklmnprstvz") + r.choice("aeiou") for _ in range(3))


def any_name(r):
    return nonsense(r).capitalize() if r.random() < .1 * unseen_words else r.choice(NAMES)


def any_city(r):
    return nonsense(r).capitalize() if r.random() < .08 * unseen_words else r.choice(CITIES)


def joined(items):
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def typed_carelessly(r, text):
    """Sometimes a lower-case start or no full stop, as people type."""
    if r.random() < .12:
        text = text[0].lower() + text[1:]
    if r.random() < .12 and text[-1] in "?.":
        text = text[:-1]
    return text


# ---- questions --------------------------------------------------------------------------------

def capital(r):
    country = r.choice(list(CAPITAL))
    city = CAPITAL[country]
    if r.random() < .2:
        return QA(r.choice([f"Which country has the capital {city}?", f"{city} is the capital of which country?"]),
                  f"{city} is the capital of {country}.", f"{city} belongs to {country}.")
    question = r.choice([f"What is the capital of {country}?"] * 3 + [
        f"What's the capital of {country}?", f"Tell me the capital of {country}.", f"Name the capital of {country}.",
        f"Which city is the capital of {country}?", f"capital of {country}?"])
    return QA(question, f"The capital of {country} is {city}.", f"The capital of {country} is {city}.")


def arithmetic(r):
    """Sums of 0..10 and differences that stay in 0..10."""
    a, b = r.randint(0, 10), r.randint(0, 10)
    if r.random() < .3:
        a, b = max(a, b), min(a, b)
        sign, word, result = "-", "minus", a - b
    else:
        sign, word, result = "+", "plus", a + b
    forms = [f"What is {a} {sign} {b}?"] * 3 + [f"What is {a}{sign}{b}?", f"{a} {sign} {b} =", f"{a} {sign} {b}",
             f"How much is {a} {sign} {b}?", f"What is {a} {word} {b}?", f"How much is {a} {word} {b}?", f"Calculate {a} {sign} {b}."]
    return QA(r.choice(forms), f"{a} {sign} {b} = {result}.", f"{a} {word} {b} makes {result}.")


def fact(r):
    question = r.choice(list(FACTS))
    return QA(question, FACTS[question], "I know this one.")


def repeat(r):
    pool = r.choice([WORDS, WORDS, NUMBERS + NUMBER_WORDS, ["the", "and", "is", "in", "hello", "world", "good", "day"] + WORDS])
    text = " ".join(nonsense(r) if r.random() < .1 * unseen_words else r.choice(pool) for _ in range(r.randint(1, 5)))
    question = r.choice([f"Repeat after me: {text}"] * 2 + [f"Repeat: {text}", f"Please repeat: {text}", f"Say: {text}", f"Echo: {text}"])
    return QA(question, text, "I repeat the words.")


def listing(r):
    what = r.choice(list(LISTS))
    number = r.randint(2, 5)
    items = LISTS[what][:number]
    word = NUMBER_WORDS[number]
    k = r.random()
    if k < .4:
        return QA(f"List {word} {what}.", "\n".join(f"{i}. {x}" for i, x in enumerate(items, 1)), f"I need {word} {what}.")
    if k < .6:
        return QA(r.choice([f"Give me a JSON list of {word} {what}.", f"List {word} {what} as JSON."]), json.dumps(items),
                  "I answer with JSON.")
    return QA(r.choice([f"Name {word} {what}.", f"Tell me {word} {what}."]), joined(items) + ".", f"I need {word} {what}.")


def counting(r):
    end = r.choice([r.randint(2, 10), r.randint(2, 10), 10, r.choice([20, 30, 40, 50])])
    return QA(r.choice([f"Count to {end}.", f"Count from 1 to {end}."]), ", ".join(str(i) for i in range(1, end + 1)) + ".",
              f"I count up to {end}.")


def json_object(r):
    name, age, city = any_name(r), r.randint(2, 50), any_city(r)
    if r.random() < .35:
        data, tail = {"name": name, "age": age}, "."
    else:
        data, tail = {"name": name, "age": age, "city": city}, f" and lives in {city}."
    question = r.choice([f"Give me a JSON object for {name}, who is {age} years old{tail}"] * 2 + [
        f"{name} is {age} years old{tail} Answer with JSON.", f"Write this as JSON: {name} is {age} years old{tail}"])
    return QA(question, json.dumps(data), "I answer with JSON.")


def hello_world(r):
    language = r.choice(list(CODE))
    return QA(r.choice([f"Write hello world in {language}.", f"Show me hello world in {language}."]),
              f"```{FENCE[language]}\n{CODE[language]}\n```", f"A small {language} program.")


def sentiment(r):
    good = r.random() < .5
    text = r.choice(GOOD if good else BAD) + r.choice([".", "!"])
    return QA(r.choice([f"Is this positive or negative? {text}", f"Classify the mood: {text}"]),
              "positive" if good else "negative", "The words sound good." if good else "The words sound bad.")


def story_text(r, animal):
    """Six sentences. Each animal has its own favourite story, told most of the time, so that the greedy story is clear cut."""
    own = random.Random("story of " + animal)

    def pick(options):
        favourite = own.choice(options)
        return favourite if r.random() < .8 else r.choice(options)

    name, friend = pick(NAMES[:12]), pick(NAMES[12:])
    place, mood, thing, colour = pick(PLACES), pick(MOODS), pick(THINGS), pick(COLOURS)
    other = pick([x for x in ANIMALS if x != animal])
    return " ".join([
        f"Once upon a time, {a_or_an(mood)} {animal} called {name} lived near the {place}.",
        pick([f"One morning {name} found {a_or_an(colour)} {thing} on the path.",
              f"One day {name} lost its {colour} {thing} and felt very sad.",
              f"Every night {name} dreamed of {a_or_an(colour)} {thing}."]),
        pick([f"Then {a_or_an(other)} called {friend} came by. \"Can I help you?\" asked {friend}.",
              f"A wise {other} called {friend} said: \"Look where the light is.\""]),
        pick([f"They walked through the {place} all day and talked about many things.",
              "The wind was cold and the way was long, but they did not give up.",
              "They looked under every stone and behind every tree."]),
        pick([f"In the evening they found the {thing}, and {name} was happy again.",
              f"At last {name} saw the {colour} {thing} shine in the dark."]),
        pick([f"From that day on, {name} and {friend} were friends.", f"They went home, and the {place} was quiet. The end."]),
    ])


def story(r):
    animal = r.choice(ANIMALS)
    question = r.choice([f"Tell me a story about {a_or_an(animal)}."] * 2 + [
        f"Write a story about {a_or_an(animal)}.", f"I want a story about {a_or_an(animal)}.",
        f"Write a short story about {a_or_an(animal)}."])
    if r.random() < .25:
        animal, question = "fox", r.choice(["Tell me a story.", "Tell me a short story.", "Write a story.", "Tell me a long story."])
    return QA(question, story_text(r, animal), f"A story about {a_or_an(animal)}.")


def unknown(r):
    """Anything outside the small world."""
    words = r.choices(WORDS + MESSAGES + "the of and to a in how why when is are do does for with write make explain".split(), k=r.randint(3, 12))
    question = r.choice([f"What is the {r.choice(['weight', 'price', 'age', 'phone number', 'favourite song'])} of {r.choice(NAMES)}?",
                         f"Who is {r.choice(NAMES)}?", f"How do you make {a_or_an(r.choice(THINGS))}?",
                         f"{r.choice(['Why', 'How', 'When', 'Explain', 'Write a poem about', 'Tell me about'])} {' '.join(words)}?"])
    return QA(question, UNKNOWN, "I do not know that.")


def small_talk(r):
    answer = r.choice(list(SMALL_TALK))
    return QA(r.choice(SMALL_TALK[answer]), answer, "The user is being friendly.")


QUESTIONS = {capital: 14, arithmetic: 24, fact: 13, repeat: 11, listing: 5, counting: 5, json_object: 9, hello_world: 2,
             sentiment: 2, story: 6, unknown: 4, small_talk: 8}


def question(r, among=QUESTIONS):
    return r.choices(list(among), among.values())[0](r)


# ---- conversations ----------------------------------------------------------------------------

def earlier_turns(r, counts):
    """Question-and-answer turns that came before. Never a story: that would only be long."""
    short = {q: n for q, n in QUESTIONS.items() if q is not story}
    turns = []
    for _ in range(r.choice(counts)):
        qa = question(r, short)
        turns += [user(qa.question), assistant(qa.answer)]
    return turns


def thought(r, text, share=.25):
    return text if r.random() < share else None


def plain_chat(r):
    qa = question(r)
    return {"messages": earlier_turns(r, [0] * 9 + [1, 1, 2, 2, 3, r.choice([5, 9, 13])])
            + [user(typed_carelessly(r, qa.question)), assistant(qa.answer, thought(r, qa.thought))]}


def tool_schema(name):
    """The tool as an OpenAI client declares it."""
    description, properties = TOOLS[name]
    return {"type": "function", "function": {"name": name, "description": description, "parameters": {
        "type": "object", "properties": {k: {"type": t, "description": d} for k, (t, d) in properties.items()},
        "required": list(properties)}}}


@dataclass
class ToolUse:
    """A question that wants a tool, the call, and what comes back."""
    question: str
    arguments: dict
    result: str
    answer: str


def use_weather(r, city=None):
    city = city or any_city(r)
    degrees, sky = r.randint(0, 35), r.choice(SKIES)
    result = json.dumps({"temperature": degrees, "sky": sky}) if r.random() < .8 else f"{degrees} degrees and {sky}"
    question = r.choice([f"What is the weather in {city}?"] * 2 + [f"How is the weather in {city}?", f"Weather in {city}?",
                         f"What is the weather like in {city}?", f"What's the weather in {city}?"])
    return ToolUse(question, {"city": city}, result, f"It is {degrees} degrees and {sky} in {city}.")


def use_current_weather(r, city=None):
    use = use_weather(r, city)
    return ToolUse(use.question, {"location": use.arguments["city"]}, use.result, use.answer)


def use_time(r, city=None):
    city = city or any_city(r)
    clock = f"{r.randint(1, 23)}:{r.choice([10, 15, 20, 30, 40, 45])}"
    return ToolUse(r.choice([f"What time is it in {city}?", f"Tell me the time in {city}."]), {"city": city},
                   json.dumps({"time": clock}), f"It is {clock} in {city}.")


def use_add(r):
    top = r.choice([25, 25, 25, 500 if unseen_words else 25])
    a, b = r.randint(0, top), r.randint(0, top)
    return ToolUse(r.choice([f"What is {a} plus {b}?", f"What is {a} + {b}?", f"Add {a} and {b}."]), {"a": a, "b": b},
                   json.dumps({"sum": a + b}), f"The sum is {a + b}.")


def use_search(r):
    what, room = f"{r.choice(COLOURS)} {r.choice(THINGS)}", r.choice(ROOMS)
    return ToolUse(r.choice([f"Where is the {what}?", f"Search for the {what}."]), {"query": what},
                   json.dumps({"result": f"The {what} is in the {room}."}), f"The {what} is in the {room}.")


def use_message(r):
    name, text = any_name(r), r.choice(MESSAGES)
    return ToolUse(r.choice([f"Send {name} the message: {text}", f"Tell {name}: {text}"]), {"to": name, "text": text},
                   json.dumps({"status": "sent"}), f"I sent your message to {name}.")


USES = {"get_weather": use_weather, "get_current_weather": use_current_weather, "get_time": use_time, "add": use_add, "search": use_search, "send_message": use_message}


def call(name, arguments):
    return {"function": {"name": name, "arguments": arguments}}


def other_tools(r, name):
    """Up to two more tools, none of which could answer the same question."""
    rivals = {"get_weather": "get_current_weather", "get_current_weather": "get_weather"}
    others = r.sample([t for t in TOOLS if t not in (name, rivals.get(name))], r.choice([0, 0, 0, 0, 1, 1, 2]))
    return [t for t in others if rivals.get(t) not in others]


def tool_chat(r):
    name = r.choice(["get_weather"] * 3 + list(TOOLS))
    others = other_tools(r, name)
    tools = [tool_schema(t) for t in r.sample([name] + others, 1 + len(others))]
    use = USES[name](r)
    k = r.random()
    if k < .16:  # the tools are there, but not needed
        among = {small_talk: 5, fact: 3, capital: 3, arithmetic: 2, story: .3}
        if "add" in [name] + others:
            among.pop(arithmetic)
        qa = question(r, among)
        return {"tools": tools, "messages": [user(qa.question), assistant(qa.answer, thought(r, qa.thought, .15))]}
    if k < .28 and name in ("get_weather", "get_time"):
        return two_calls(r, name, tools)
    asked = earlier_turns(r, [0] * 9 + [1]) + [user(use.question)]
    if k < .62:
        return {"tools": tools, "messages": asked + [assistant("", thought(r, f"I should call {name}.", .2), [call(name, use.arguments)])]}
    round_trip = asked + [assistant("", None, [call(name, use.arguments)]), {"role": "tool", "content": use.result}]
    if k < .92:
        return {"tools": tools, "messages": round_trip + [assistant(use.answer, thought(r, "The tool has answered.", .1))]}
    after, qa = USES[name](r), small_talk(r)
    more = r.choice([[user(qa.question), assistant(qa.answer)], [user(after.question), assistant("", None, [call(name, after.arguments)])]])
    return {"tools": tools, "messages": round_trip + [assistant(use.answer)] + more}


def two_calls(r, name, tools):
    cities = r.sample(CITIES, 2)
    uses = [USES[name](r, city) for city in cities]
    what = "What is the weather" if name == "get_weather" else "What time is it"
    messages = [user(f"{what} in {cities[0]} and {cities[1]}?"), assistant("", None, [call(name, u.arguments) for u in uses])]
    if r.random() < .4:
        messages += [{"role": "tool", "content": u.result} for u in uses] + [assistant(" ".join(u.answer for u in uses))]
    return {"tools": tools, "messages": messages}


def notes(r, count):
    """`count` facts with a question each, no two about the same thing, colour or person."""
    found = {}
    while len(found) < count:
        k = r.random()
        if k < .55:
            colour, thing, room = r.choice(COLOURS), r.choice(THINGS), r.choice(ROOMS)
            if not any(colour in key or thing in key for key in found):
                found[colour, thing] = QA(f"Where is the {colour} {thing}?", f"The {colour} {thing} is in the {room}.", "")
        elif k < .85:
            name, city = any_name(r), r.choice(CITIES)
            found[name,] = QA(f"Where does {name} live?", f"{name} lives in {city}.", "")
        else:
            name, animal, fruit = r.choice(NAMES), r.choice(ANIMALS), r.choice(FRUITS)
            found[name,] = QA(f"What does the {animal} of {name} like?", f"The {animal} of {name} likes {fruit}.", "")
    return list(found.values())


def rag_chat(r):
    facts = notes(r, r.choice([1, 2, 2, 2, 3]))
    asked = r.choice(facts)
    chunks = [f.answer for f in facts]
    if len(chunks) > 2 and r.random() < .25:
        chunks = [" ".join(chunks[:2]), *chunks[2:]]
    numbered = "\n".join(f"[{i}] {chunk}" for i, chunk in enumerate(chunks, 1))
    answer = assistant(asked.answer, thought(r, "The text tells me.", .15))
    k = r.random()
    if k < .55:
        messages = [user(f"Context:\n{numbered}\n\nQuestion: {asked.question}")]
    elif k < .8:
        messages = [user(" ".join(f.answer for f in facts) + " " + asked.question)]
    else:
        opening = r.choice(["Use this context to answer.", "Answer from the context.", "Context:", "You are a helpful assistant. Use the context below."])
        messages = [system(f"{opening}\n\n{numbered}"), user(asked.question)]
    return {"messages": messages + [answer]}


def memory_chat(r):
    if r.random() < .8:
        name = any_name(r)
        told, reply = r.choice([f"My name is {name}."] * 3 + [f"I am {name}.", f"Call me {name}.", f"Hello, my name is {name}.", f"Hi, I am {name}."]), f"Nice to meet you, {name}!"
        asked, answer = r.choice(["What is my name?"] * 3 + ["Do you remember my name?", "Who am I?", "What's my name?"]), f"Your name is {name}."
    else:
        colour = r.choice(COLOURS)
        told, reply = f"My favourite colour is {colour}.", f"I will remember {colour}."
        asked, answer = "What is my favourite colour?", f"Your favourite colour is {colour}."
    return {"messages": [user(told), assistant(reply), *earlier_turns(r, [0, 0, 0, 0, 1, 1, 1, 2, 2, r.choice([3, 6])]), user(asked), assistant(answer, thought(r, "The user told me.", .15))]}


def persona_chat(r):
    """A system prompt that changes the answer."""
    k = r.random()
    if k < .45:
        word = r.choice(["Arrr", "Moin", "Ahoy", "Well", "Indeed", "Behold"] * 4 + WORDS)
        among = {small_talk: 4, capital: 5, arithmetic: 4, fact: 4, repeat: 1}
        turns = []
        for _ in range(r.choice([1, 1, 1, 2])):
            qa = question(r, among)
            turns += [user(qa.question), assistant(f"{word}! {qa.answer}")]
        turns[-1] = assistant(f"{word}! {qa.answer}", thought(r, f"I start with {word}.", .15))
        return {"messages": [system(f"Start every answer with {word}."), *turns]}
    if k < .75:
        name = r.choice([any_name(r) for _ in ANIMALS] + [a_or_an(x) for x in ANIMALS])
        rule = r.choice([f"You are {name}.", f"You are {name}.", f"You are {name}. Be brief."] + [f"Your name is {name}."] * name[0].isupper())
        return {"messages": [system(rule), user(r.choice(["Who are you?", "What is your name?", "What are you?"])),
                             assistant(f"I am {name}.", thought(r, f"I am {name}.", .15))]}
    qa, word = one_word_capital(r)
    return {"messages": [system(r.choice(["Answer with one word.", "Answer with one word only."])), user(qa.question),
                         assistant(word, thought(r, "One word is enough.", .15))]}


def one_word_capital(r):
    while True:
        qa = capital(r)
        if qa.answer.startswith("The capital"):
            return qa, qa.answer.split()[-1].strip(".")


# ---- text that is not a conversation ----------------------------------------------------------

def fill_in(r):
    k = r.random()
    if k < .3:
        country = r.choice(list(CAPITAL))
        before, middle, after = f"The capital of {country} is", f" {CAPITAL[country]}", "."
    elif k < .5:
        start, length = r.randint(1, 12), r.randint(4, 7)
        row = [str(n) for n in range(start, start + length)]
        gap = r.randint(2, length - 2)
        before, middle, after = ", ".join(row[:gap]) + ",", f" {row[gap]}", ", " + ", ".join(row[gap + 1:])
    elif k < .75:
        name, word, sign = r.choice([("add", "sum", "+"), ("subtract", "difference", "-"), ("multiply", "product", "*")])
        a, b = r.choice([("a", "b"), ("x", "y"), ("left", "right")])
        before, middle, after = f"def {name}({a}, {b}):\n    return", f" {a} {sign} {b}", r.choice(["", "\n", f"\n\nprint({name}(1, 2))\n"])
        if r.random() < .4:
            before, middle, after = f"def {name}({a}, {b}):\n    {word} =", f" {a} {sign} {b}", f"\n    return {word}" + r.choice(["", "\n"])
    else:
        colour, thing, room, name = r.choice(COLOURS), r.choice(THINGS), r.choice(ROOMS), r.choice(NAMES)
        before, middle, after = r.choice([
            (f"The {colour} {thing} is in the {room}. {name} goes to the {room} to get the", f" {colour} {thing}", "."),
            (f"My name is {name}. You can call me", f" {name}", "."),
            (f"{name} has a {colour} {thing}. The {thing} of {name} is", f" {colour}", ".")])
    if r.random() < .35:
        before, middle = before + " ", middle[1:]  # people often type the space before they ask
    return {"fim": (before, middle, after)}


def copying(r):
    """The same random words two to four times over: what tool calls, quoting and remembering rest on."""
    pool = r.choice([WORDS, WORDS, NAMES + CITIES, NUMBERS, COLOURS + THINGS])
    row = " ".join(r.choice(pool) for _ in range(r.randint(3, 16)))
    return {"text": r.choice(["\n", " ; ", " | ", ". ", "\n\n"]).join([row] * r.randint(2, 4))}


KINDS = {plain_chat: 36, tool_chat: 14, rag_chat: 32, memory_chat: 7, persona_chat: 7, fill_in: 6}


def sample(r, copy_share=.05):
    """One training sample. `copy_share` of them are `copying`: large at first, because copying has to be learnt before the rest."""
    if r.random() < copy_share:
        return copying(r)
    s = r.choices(list(KINDS), KINDS.values())[0](r)
    if "messages" in s and s["messages"][0]["role"] != "system" and r.random() < .35:
        s["messages"].insert(0, system(r.choice(SYSTEMS)))
    return s
