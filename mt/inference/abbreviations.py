"""Abbreviations of many languages after which a sentence continues, without their full stop, in lower case.

One list for all languages, since the language of a line is not always known: where a word of one language is an
abbreviation of another, a sentence end is missed, and a long line is cut at another one, which costs little.
Abbreviations that often end a sentence ("etc.", "usw.", "Inc.") do not belong here.
"""

# before a name or another word
BEFORE_WORDS = frozenset(
    # English
    "dr mr mrs ms messrs prof rev hon st mt ft gen col capt lt sgt gov sen rep pres supt jr sr vs viz cf "
    "eg ie approx dept est "
    # German
    "jan feb mrz okt dez hr fr frl dipl ing med phil jur fa str bzw ca vgl evtl ggf inkl exkl sog geb gest hl verh "
    # French
    "m mm mme mmes mlle mlles me mgr stes ste env apr "
    # Spanish, Portuguese, Catalan
    "sra srta sres sras dra drs dña ud uds ee exmo exma av avda prof profa eng "
    # Italian
    "sig sig.ra sigg dott dott.ssa prof.ssa avv geom on egr spett cfr "
    # Dutch, Scandinavian languages
    "dhr mevr mej mw drs ir mr bl bijv bv hrn tlf "
    # Polish, Czech, Slovak, Slovene, Croatian
    "ul al pl os np tzn tzw ok im św gen płk mgr inż hab por zob např tj tzv mudr judr phdr ing doc npr oz dž "
    # Hungarian, Romanian, Turkish, Finnish
    "pl ill dl dna dra vb sn av yrd doç esim "
    # Russian, Ukrainian, Bulgarian
    "ул г гг стр рис табл им проф акад тов пр просп пл обл р-н тыс млн млрд см напр вул вид "
    # Greek, Armenian
    "κ κα κκ δρ καθ αρ σελ βλ "
    # Hindi, Bengali, Arabic
    "डॉ श्री ডা ড অধ্যা د أ م ".split()
)

# before a number alone: "no. 5", but "He said no."
BEFORE_NUMBERS = frozenset(
    "no nos nr nrs num núm n fig figs abb tab eq eqs vol vols bd ch chap kap cap sec sect abs art arts para par p pp "
    "pg pag pág págs s ss st str blz hfdst č čís § cl col ed v vv kl д кв стр рис гл п ст ф "
    "jan feb mar apr jun jul aug sep sept oct nov dec".split()
)

# German nouns after an ordinal ("am 3. Oktober"); other languages write them small
AFTER_ORDINALS = frozenset(
    "januar jänner februar märz april mai juni juli august september oktober november dezember jan feb jun jul aug sep "
    "okt nov dez jahrhundert jahrhunderts jahrtausend jahrtausends weltkrieg weltkriegs klasse stock etage auflage "
    "kapitel geburtstag jahrestag tag woche monat mal platz rang teil band akt satz sinfonie".split()
)
