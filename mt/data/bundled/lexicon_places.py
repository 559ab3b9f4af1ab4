"""Places: where somebody is and where somebody goes, with the prepositions that both languages want.

PLACES: noun; English location preposition; German one (dative); English direction preposition; German one and \
its case.
FIXED_PLACES: phrases without a free article. CITIES: in X / to X, nach X.
"""

PLACES = """
park; in; in; to; in accusative
garden; in; in; into; in accusative
kitchen; in; in; into; in accusative
city; in; in; to; in accusative
village; in; in; to; in accusative
restaurant; at; in; to; in accusative
museum; in; in; to; in accusative
hospital; in; in; to; in accusative
supermarket; at; in; to; in accusative
library; in; in; to; in accusative
bakery; at; in; to; in accusative
pharmacy; at; in; to; zu dative
stadium; in; in; to; in accusative
church; in; in; to; in accusative
factory; in; in; to; in accusative
hotel; at; in; to; in accusative
castle; in; in; to; zu dative
lake; by; an; to; an accusative
street; on; auf; onto; auf accusative
river; by; an; to; an accusative
bridge; on; auf; onto; auf accusative
island; on; auf; to; auf accusative
cinema; at; in; to; in accusative
theater; at; in; to; in accusative
zoo; at; in; to; in accusative
office; in; in; to; in accusative
forest; in; in; into; in accusative
beach; on; an; to; an accusative
sea; by; an; to; an accusative
train station; at; an; to; zu dative
airport; at; an; to; zu dative
bus stop; at; an; to; zu dative
market; at; auf; to; auf accusative
playground; on; auf; to; auf accusative
farm; on; auf; to; auf accusative
university; at; an; to; zu dative
post office; at; auf; to; zu dative
swimming pool; at; in; to; in accusative
café; at; in; to; in accusative
"""

FIXED_PLACES = """
at home; zu Hause; 0-0 1-1; home; nach Hause; 0-1
at school; in der Schule; 0-0 1-2; to school; in die Schule; 0-0 1-2
at work; bei der Arbeit; 0-0 1-2; to work; zur Arbeit; 0-0 1-1
"""

PLACE_NOUNS = """
[site]
cinema; Kino n Kinos
theater; Theater n Theater
zoo; Zoo m Zoos
office; Büro n Büros
forest; Wald m Wälder
beach/beaches; Strand m Strände
sea; Meer n Meere
train station; Bahnhof m Bahnhöfe
airport; Flughafen m Flughäfen
bus stop; Haltestelle f Haltestellen
market; Markt m Märkte
playground; Spielplatz m Spielplätze
farm; Bauernhof m Bauernhöfe
university; Universität f Universitäten
post office; Post f - ; mass
swimming pool; Schwimmbad n Schwimmbäder
café; Café n Cafés
"""

CITIES = """
Berlin Berlin
Munich München
Hamburg Hamburg
Cologne Köln
Vienna Wien
Paris Paris
London London
Rome Rom
Zurich Zürich
Prague Prag
Germany Deutschland
Italy Italien
France Frankreich
Spain Spanien
"""

# Where things are put or found; the noun's tag; English; German preposition (dative: where, accusative: where to).
SPOTS = """
surface; on; auf
surface; on; auf
under; under; unter
inside; in; in
beside; next to; neben
spotbehind; behind; hinter
spotfront; in front of; vor
"""

# How somebody travels.
MEANS = """
car; mit dem Auto
bus; mit dem Bus
train; mit dem Zug
tram; mit der Straßenbahn
taxi; mit dem Taxi
bicycle; mit dem Fahrrad
"""

# Which places suit a verb (its flag @group); CITIES and FIXED stand for those tables.
GROUPS = """
rest; garden kitchen hotel FIXED park beach
work; factory hospital restaurant office library hotel museum pharmacy bakery supermarket university airport \
garden farm CITIES
work_home; garden farm office FIXED
water; lake river sea swimming_pool
leisure; park garden café restaurant kitchen train_station airport bus_stop beach lake zoo hotel FIXED library \
theater playground
fun; park garden theater church restaurant beach stadium hotel FIXED
kitchen; kitchen restaurant hotel FIXED
outdoors; park garden beach forest stadium playground farm street
nature; park forest garden beach lake river island sea castle
eat; restaurant café kitchen garden park hotel zoo FIXED
shop; market supermarket city bakery CITIES
order; restaurant café hotel
study; library university office FIXED kitchen
city; city village street train_station airport hotel
live; city village island castle farm CITIES CITIES hotel
stay; hotel village city hospital castle library office garden FIXED CITIES
stand; bus_stop train_station street bridge park garden market
walk; park restaurant museum supermarket library bakery pharmacy church cinema theater zoo market beach lake \
post_office swimming_pool café hotel FIXED forest garden kitchen city
come; restaurant museum hotel church theater park café hospital train_station office FIXED FIXED farm castle
drive; CITIES CITIES city village hospital supermarket stadium lake beach sea train_station airport farm FIXED \
castle factory university
ride; CITIES CITIES city village stadium zoo airport university museum sea castle FIXED
fly; CITIES CITIES CITIES island
travel; CITIES CITIES CITIES island sea
"""

# What people go to a place for: place, verb, objects.
PURPOSES = """
supermarket; buy; fruit|bread|cheese|milk|rice|butter|coffee|egg|juice
market; buy; fruit|flower|fish|honey|potato|carrot
bakery; buy; bakeable|bread
city; buy; clothing|gift
restaurant; eat; dish
café; drink; coffee|tea|cocoa|juice
library; read; novel|book|newspaper|magazine
university; learn; language
train_station; pick up; kin
airport; pick up; kin
hospital; visit; kin
office; write; report|email|letter|article
office; check; bill|contract|report
kitchen; cook; soup|fish|rice|potato|meat
kitchen; bake; cake|bread|pizza|cookie
garden; water; flower|tree
garden; plant; tree|flower
cinema; watch; film
stadium; watch; game
zoo; photograph; wild
lake; swim;
beach; rest;
church; sing;
park; read; newspaper|magazine|novel
farm; feed; farm
island; rest;
castle; photograph; tower|bridge
CITIES; visit; kin|museum|castle
CITIES; work;
CITIES; learn; language
"""
