"""What the rules look for in a ticket, as patterns over its visible text, upper and lower case alike.

They are written to miss little of what must reach a person, and to leave plain questions alone: the tests
hold both against every ticket of the example. Add a ticket with each pattern.
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


SAFETY = _any(
    r"\binjur(?:y|ed|ies)\b",
    r"\bhospital\b",
    r"\baccident\b",
    r"\bcaught fire\b",
    r"\bon fire\b",
    r"\bexplo(?:ded|sion)\b",
    r"\bbleeding\b",
    r"\bconcussion\b",
    r"\bbroke (?:my|his|her) (?:arm|leg|wrist|collarbone)\b",
    r"\bburn(?:s|ed|t) (?:my|his|her|our)\b",
    r"\bpoison",
    r"\bcarbon monoxide\b",
    r"\bkill myself\b",
    r"\bverletz",
    r"\bunfall\b",
    r"\bkrankenhaus\b",
    r"\bbless[ée]",
    r"\bh[ôo]pital\b",
    r"\bherid[oa]\b",
    r"\bhospitali",
    r"怪我",
    r"けが",
    r"إصابة",
    r"\bincident(?:e)? grave\b",
)

LEGAL = _any(
    r"\b(?:my|our|a) (?:lawyer|solicitor|attorney)s?\b",
    r"\blawsuit\b",
    r"\blegal action\b",
    r"\bsmall claims\b",
    r"\b(?:will|to|gonna) sue\b",
    r"\bsue you\b",
    r"\bsee you in court\b",
    r"\bcharge ?back\b",
    r"\bdispute (?:the|this) (?:charge|payment)\b",
    r"\bconsumer (?:protection|rights|ombudsman)\b",
    r"\btrading standards\b",
    r"\b(?:rechts)?anwalt\b",
    r"\bavocat\b",
    r"\babogad[oa]\b",
)

THREAT = _any(
    r"\bi(?:'ll| will) (?:find|hurt|kill) you\b",
    r"\bi know where you (?:live|work)\b",
    r"\bburn (?:your|the) shop\b",
    r"\bkill (?:you|all of you)\b",
    r"\byou(?:'ll| will) regret\b",
)

ABUSE = _any(
    r"\bf+u+c+k",
    r"\bbastards?\b",
    r"\bidiots?\b",
    r"\bmorons?\b",
    r"\bscum\b",
    r"\bbullshit\b",
    r"\bassholes?\b",
)

INSTRUCTIONS = _any(
    r"\b(?:ignore|disregard|forget) (?:all |any |the |your |everything )?(?:previous|prior|above|"
    r"earlier|instructions|rules|before)",
    r"\bsystem prompt\b",
    r"\byour (?:instructions|prompt)\b",
    r"\byou are now\b",
    r"\bdeveloper mode\b",
    r"\bjailbreak",
    r"</?(?:system|user|assistant|untrusted|instructions)\b",
    r"<\|\w+\|>",
    r"\[/?INST\]",
    r"^#+ ?(?:system|assistant)\b",
    r"\b(?:as|note|message) (?:to|for) (?:the )?(?:ai|assistant|model|bot)\b",
    r"\bpretend (?:to be|you are)\b",
    r'"outcome" ?:',
    r"\brespond only with\b",
    r"\brepeat after me\b",
    r"\bignoriere (?:alle|die)\b",
)

CODE = _any(
    r"\b(?:drop|alter|truncate) table\b",
    r"\bunion (?:all )?select\b",
    r"' ?or ?'?1'? ?= ?'?1",
    r"<script\b",
    r"\bonerror ?=",
    r"\bjavascript:",
    r"\{\{.*\}\}",
    r"\{%.*%\}",
    r"\.\./\.\./",
    r"\$\{jndi:",
)

OTHER_PEOPLE = _any(
    r"\b(?:address|phone(?: number)?|e-?mail(?: address)?|name|number|orders?|data|details)"
    r" of (?:(?:the|another|an?|your|other|all) )+(?:other )?(?:customers?|buyers?|person|man|woman|"
    r"lady|clients?)\b",
    r"\b(?:another|other) customer'?s'?\b",
    r"\bwhere (?:does )?(?:he|she|they) lives?\b",
    r"\bwhere does .{2,30} live\b",
    r"\bmy (?:ex|ex-(?:wife|husband|girlfriend|boyfriend|partner)|neighbou?r|colleague|boss|landlord)"
    r"'?s (?:new )?(?:address|orders?|phone|e-?mail|account)\b",
    r"\blist of (?:all )?(?:your )?customers\b",
    r"\bcustomer (?:list|database)\b",
    r"\bwho (?:else )?bought\b",
)

OWN_DATA = _any(
    r"\b(?:delete|erase|remove) (?:all )?(?:of )?my (?:personal )?(?:data|account|information)\b",
    r"\barticle 1[5-7]\b",
    r"\b(?:what|which|all) (?:personal )?data (?:do )?you (?:hold|have|store|keep)\b",
    r"\bcopy of my (?:personal )?data\b",
)

CLAIM = _any(
    r"\b(?:you|he|she|they|colleague|agent|someone|somebody|lady|guy) (?:already |had |has |have )"
    r"?(?:promised|agreed|assured|guaranteed)\b",
    r"\bcolleague (?:said|told)\b",
    r"\b(?:was|were|been) promised\b",
    r"\bmake an exception\b",
    r"\bas agreed\b",
)

SPAM = tuple(
    _any(pattern)
    for pattern in (
        r"\bseo\b|\bbacklinks?\b|\bfirst page of google\b|\brank(?:ing)? #?1\b",
        r"\bcasino\b|\bbetting\b|\bjackpot\b",
        r"\bcrypto\b|\bbitcoin\b|\bforex\b|\bpassive income\b",
        r"\bclick (?:here|below|the link)\b",
        r"\blimited(?:[- ]time)? offer\b|\bact now\b|\bdon't miss\b|\b100% free\b",
        r"\bunsubscribe\b|\bopt[- ]out\b",
        r"\b(?:increase|boost|grow) your (?:sales|traffic|revenue|followers)\b",
        r"\bviagra\b|\bcheap (?:pills|meds)\b",
        r"\bcongratulations\b.*\bwon\b|\bclaim your prize\b",
        r"https?://\S+.*https?://\S+",
        r"\bdear (?:sir/madam|webmaster|site owner|beneficiary)\b",
        r"\bguest post\b|\bsponsored (?:post|article)\b",
        r"\bwire transfer of\b|\binheritance\b|\bnext of kin\b",
    )
)
"""Marks of advertising; two of them make spam, one alone does not."""

RETURN = _any(
    r"\breturn",
    r"\brefund",
    r"\bmoney back\b",
    r"\bsend (?:it|them) back\b",
    r"\btake (?:it|them) back\b",
)
FAULT = _any(
    r"\bbroke",
    r"\bfault",
    r"\bdefect",
    r"\bsnap",
    r"\btorn\b",
    r"\bleak",
    r"\bwarranty\b",
    r"\bdamag",
    r"\bwrong\b",
    r"\brepair",
    r"\bcrack",
)
AGE = re.compile(
    r"\b(\d{1,3}|two|three|four|five|six|eight|ten) (day|week|month|year)s?(?: ago|\s+old)\b|\b(last year)\b",
    re.IGNORECASE,
)
CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
