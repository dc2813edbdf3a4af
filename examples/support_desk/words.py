"""Text as the rules see it: without invisible characters, in words, with a guess at its language.

`visible` comes first everywhere: whatever a customer hides between the letters is gone before a rule looks.
"""

import re
import unicodedata
from collections import Counter

STOP_WORDS = {
    "en": "the is are you your my i we it to of and for with have has "
    "not can do does what how when where this that will",
    "de": "der die das ist sind ich wir sie mein meine ihr und für mit nicht "
    "kann wie wann wo bitte habe eine einen auf",
    "es": "el la los las es son mi su y para con no puedo cómo cuánto "
    "cuándo dónde por favor he una un que está pedido",
    "fr": "le la les est sont je vous mon ma votre et pour avec pas peux "
    "comment quand où une un que bonjour merci des",
    "it": "il lo gli è sono mio mia vostro e per con non posso come "
    "quando dove una un che ho buongiorno grazie della",
    "nl": "de het een is zijn ik jullie mijn en voor met niet kan hoe wanneer waar heb graag van op dat",
    "pt": "o os as é são meu minha seu e para com não posso como quando onde uma um que olá obrigado pedido",
    "sv": "jag är en ett och för med inte kan hur när var min mitt er ni det har hej tack på",
    "pl": "jest są nie czy jak kiedy gdzie mój moja w z na do że się dzień dobry proszę mam",
}
"""Frequent words of the languages that customers write in."""
SCRIPTS = {
    "ARABIC": "ar",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
    "GREEK": "el",
    "HANGUL": "ko",
    "HEBREW": "he",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "THAI": "th",
}
"""How the names of a script's characters begin, and the language that it stands for here."""
LETTERS_OF_A_FLAG = 12
"""The flags of England, Scotland and Wales hide up to six letters each; two of them are no attack."""
SHORTEST_STEM = 3

_STOP = {language: frozenset(words.split()) for language, words in STOP_WORDS.items()}
_ENDINGS = re.compile(r"(?:ations?|ings?|ed|es|s|e)$")
_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)?")


def visible(text: str) -> str:
    """The text without control and format characters; full-width and other variants become plain."""
    shown = "".join(
        " " if character in "\n\t\r" else character
        for character in unicodedata.normalize("NFKC", text)
        if character in "\n\t\r" or unicodedata.category(character) not in {"Cc", "Cf", "Co", "Cs", "Cn"}
    )
    return " ".join(shown.split())


def has_hidden_text(text: str) -> bool:
    """Whether letters are hidden as Unicode tags; more than the few in a flag of England or Scotland."""
    return sum("\U000e0020" <= character <= "\U000e007e" for character in text) > LETTERS_OF_A_FLAG


def words(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """The word without its ending, so that `returned` meets `returns`; good enough for English."""
    if word[0].isdigit():
        return word
    short = _ENDINGS.sub("", word)
    return short if len(short) >= SHORTEST_STEM else word


def stems(text: str) -> set[str]:
    """The stems of a text, without words that every text has."""
    return {stem(word) for word in words(text) if word not in _STOP["en"]}


def language(text: str) -> str:
    """A guess at the language by script, then by frequent words; `en` when nothing speaks against it."""
    letters = [character for character in text if character.isalpha()]
    foreign = Counter(
        code
        for character in letters
        for script, code in SCRIPTS.items()
        if character > "\u0370" and unicodedata.name(character, "").startswith(script)
    )
    if foreign.total() * 3 > len(letters):
        return "ja" if foreign["ja"] else foreign.most_common(1)[0][0]
    found = words(text)
    hits = {code: sum(word in known for word in found) for code, known in _STOP.items()}
    best = max(hits, key=lambda code: hits[code])
    return best if hits[best] > hits["en"] else "en"
