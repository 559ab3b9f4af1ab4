"""Adjectives, adverbs and phrases of time, numbers, names.

Adjectives: English [comparative superlative]; German [comparative superlative]; classes of noun that they describe.
Where no comparison is given it is regular (`tall taller tallest`, `klein kleiner kleinst`). `-` = not compared.
"""

ADJECTIVES = """
young; jung jünger jüngst; person
old; alt älter ältest; person stands clothing animal site building furniture vehicle readable instrument
friendly; freundlich; person
nice; nett; person
tall; groß größer größt; person
smart; klug klüger klügst; person
tired; müde müder müdest; state
sick; krank kränker kränkst; state
healthy; gesund gesünder gesündest; state
happy; glücklich; person state
sad; traurig; person state
lazy; faul; person
hardworking; fleißig; person
famous; berühmt; person
rich; reich; person
poor; arm ärmer ärmst; person
strong; stark stärker stärkst; person
brave; mutig; person
polite; höflich; person
quiet; ruhig; village street park hotel beach island lake room apartment
strict; streng; person
hungry; hungrig; state hunger
thirsty; durstig; state
patient; geduldig; person
satisfied; zufrieden; state
nervous; nervös; state
curious; neugierig; person
funny; lustig; person story
big; groß größer größt; stands animal site building fruit furniture cake openable
small; klein; stands animal site building fruit furniture cake lies_thing ring key
new; neu; stands lies hangs clothing furniture device vehicle readable hotel
beautiful; schön; clothing site building furniture plant picture vase ring gift weather
ugly; hässlich; clothing building furniture vase
modern; modern; house apartment hotel school museum library furniture device hospital factory
expensive; teuer; clothing furniture device vehicle wine hotel restaurant ring watch apartment instrument
cheap; billig; clothing furniture device bicycle car hotel watch
heavy; schwer; packable furniture big box basket
practical; praktisch; packable device lamp umbrella
broken; kaputt - -; device vehicle watch chair window
clean; sauber; wash kitchen room window
dirty; schmutzig; wash kitchen room window garage
red; rot - -; clothing vehicle apple rose tomato cherry flower sofa armchair bag backpack cup ball umbrella
blue; blau - -; clothing vehicle sofa carpet chair bag cup bowl vase umbrella
green; grün - -; clothing vehicle sofa carpet bottle apple blanket vase
yellow; gelb - -; clothing flower cup bowl
black; schwarz - -; clothing vehicle pet sheep bear bag suitcase
white; weiß - -; clothing house church wall pet sheep goat duck mouse flower
brown; braun - -; clothing farm pet furniture
gray; grau - -; clothing pet mouse elephant
warm; warm wärmer wärmst; jacket coat sweater glove scarf soup milk water bread room
cold; kalt kälter kältest; drink soup room
hot; heiß; tea coffee milk cocoa soup water
fresh; frisch; fruit bread fish egg milk roll butter tomato salad
delicious; lecker; food drink
fast; schnell; vehicle
slow; langsam; vehicle
comfortable; bequem; sofa armchair chair bed bench shoe boot sweater
round; rund - -; table
interesting; interessant; story fine museum city village exam language
boring; langweilig; story concert party game
exciting; spannend; story game trip
long; lang länger längst; story
short; kurz kürzer kürzest; story
important; wichtig; weighty
difficult; schwierig; task
easy; leicht; task
good; gut besser best; fine story food drink hotel restaurant
bad; schlecht; fine story
dangerous; gefährlich; wild
wild; wild - -; wild
elegant; elegant; dress suit coat hat tie blouse shoe restaurant
wonderful; wunderbar; site story party trip wedding vacation
"""

# English irregular comparison; all others by rule.
ENGLISH_COMPARISON = {"good": ("better", "best"), "bad": ("worse", "worst")}

# English; German; when: habit (repeated), past, now, future, any. A noun may be named for its lemma.
TIMES = """
every day; jeden Tag; habit; 0-0 1-1
every morning; jeden Morgen; habit; 0-0 1-1
every evening; jeden Abend; habit; 0-0 1-1
every Sunday; jeden Sonntag; habit; 0-0 1-1
every Saturday; jeden Samstag; habit; 0-0 1-1
every week; jede Woche; habit; 0-0 1-1
yesterday; gestern; past; 0-0
last week; letzte Woche; past; 0-0 1-1
last year; letztes Jahr; past; 0-0 1-1
last month; letzten Monat; past; 0-0 1-1
last summer; letzten Sommer; past; 0-0 1-1
last Friday; letzten Freitag; past; 0-0 1-1
last night; gestern Abend; past; 0-0 1-1
yesterday morning; gestern Morgen; past; 0-0 1-1
two days ago; vor zwei Tagen; past; 0-1 1-2 2-0
three weeks ago; vor drei Wochen; past; 0-1 1-2 2-0
a year ago; vor einem Jahr; past; 0-1 1-2 2-0
tomorrow; morgen; future; 0-0
tomorrow evening; morgen Abend; future; 0-0 1-1
next week; nächste Woche; future; 0-0 1-1
next year; nächstes Jahr; future; 0-0 1-1
next Monday; nächsten Montag; future; 0-0 1-1
in two hours; in zwei Stunden; future; 0-0 1-1 2-2
in three days; in drei Tagen; future; 0-0 1-1 2-2
soon; bald; future; 0-0
now; jetzt; now; 0-0
today; heute; now; 0-0
in the morning; am Morgen; any; 0-0 1-0 2-1
in the afternoon; am Nachmittag; any; 0-0 1-0 2-1
in the evening; am Abend; any; 0-0 1-0 2-1
at night; in der Nacht; any; 0-0 1-2
on Monday; am Montag; week; 0-0 1-1
on Tuesday; am Dienstag; week; 0-0 1-1
on Wednesday; am Mittwoch; week; 0-0 1-1
on Thursday; am Donnerstag; week; 0-0 1-1
on Friday; am Freitag; week; 0-0 1-1
on Saturday; am Samstag; week; 0-0 1-1
on the weekend; am Wochenende; week; 0-0 1-0 2-1
in the summer; im Sommer; season; 0-0 1-0 2-1
in the winter; im Winter; season; 0-0 1-0 2-1
in the spring; im Frühling; season; 0-0 1-0 2-1
in the fall; im Herbst; season; 0-0 1-0 2-1
in May; im Mai; season; 0-0 1-1
in August; im August; season; 0-0 1-1
"""

FREQUENCIES = """
often; oft
always; immer
sometimes; manchmal
never; nie
rarely; selten
usually; meistens
"""

MANNERS = """
slowly; langsam
quickly; schnell
carefully; vorsichtig
quietly; leise
loudly; laut
well; gut
"""

CLOCK = (
    "one ein;two zwei;three drei;four vier;five fünf;six sechs;"
    + "seven sieben;eight acht;nine neun;ten zehn;eleven elf;twelve zwölf"
)

NUMBERS = """
two; zwei
three; drei
four; vier
five; fünf
six; sechs
seven; sieben
eight; acht
nine; neun
ten; zehn
twelve; zwölf
twenty; zwanzig
"""

PRICES = """
five; fünf
ten; zehn
twelve; zwölf
fifteen; fünfzehn
twenty; zwanzig
thirty; dreißig
forty; vierzig
fifty; fünfzig
eighty; achtzig
ninety; neunzig
"""

NAMES = """
Anna f
Maria f
Julia f
Laura f
Lena f
Sophie f
Emma f
Clara f
Eva f
Nina f
Paul m
Peter m
Thomas m
Martin m
Michael m
David m
Jan m
Felix m
Lukas m
Max m
Simon m
Tim m
"""

SURNAMES = "Weber Schmidt Fischer Meyer Wagner Becker Hoffmann Koch Richter Klein Wolf Schneider"
