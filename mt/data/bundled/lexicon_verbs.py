"""Verbs of both languages, with what they govern and what they make sense with.

Each line: English; German; subjects; objects; flags. A line `[frame]` gives the frame of all lines after it:
intransitive, accusative, dative, ditransitive, prepositional, direction, location.

English: the base, for irregular verbs with past and participle (`give gave given`); `get up` has a particle,
`look ~for` a preposition that stays before the object. German: the infinitive, `auf+stehen` with a separable prefix;
strong verbs go on with third person, preterite and participle (without prefix); `-` = regular.
Subjects and objects are tags of nouns, `|` between alternatives; prepositional verbs add `English German case`.
Flags: sein (perfect with sein), sich (reflexive), state (no progressive, no order), event (happens to one: past only),
unwilled (no order), once (not a habit), moment (als er ankam), many (plural objects), season (takes its time),
@group (places of `lexicon_places`), nopassive; other words are adverbs of manner that suit. For prepositional \
verbs the
flags begin with the two prepositions (`_` for none) and the case.
"""

VERBS = """
[intransitive]
sleep slept slept; schlafen schläft schlief geschlafen; person|pet; ; well quietly rest @rest
work; arbeiten; person; ; slowly quickly carefully @work season
swim swam swum; schwimmen - schwamm geschwommen; person|pet; ; sein slowly quickly well sport @water season
laugh; lachen; person; ; loudly quietly @leisure
cry; weinen; child; ; loudly quietly event
dance; tanzen; person; ; well slowly sport @fun
sing sang sung; singen - sang gesungen; person; ; well loudly quietly sport @fun
cook; kochen; person; ; well sport @kitchen season
smile; lächeln; person; ;
run ran run; rennen - rannte gerannt; person|pet; ; sein quickly @outdoors
jump; springen - sprang gesprungen; child|pet; ; sein @outdoors
hike; wandern; person; ; sein slowly sport @nature season
whisper; flüstern; person; ; quietly
dream; träumen; person; ; event
smoke; rauchen; worker; ; @outdoors
bark; bellen; dog; ; loudly
take a shower/took/taken; duschen; person; ; quickly
get up/got/gotten; auf+stehen - stand gestanden; person; ; sein slowly quickly moment
wake up/woke/woken; auf+wachen; person; ; sein event moment
fall asleep/fell/fallen; ein+schlafen schläft schlief geschlafen; person; ; sein quickly event moment
go out/went/gone; aus+gehen - ging gegangen; person; ; sein moment
come back/came/come; zurück+kommen - kam gekommen; person; ; sein quickly moment
arrive; an+kommen - kam gekommen; person|leaves; ; sein once moment unwilled
depart; ab+fahren fährt fuhr gefahren; leaves; ; sein once
give up/gave/given; auf+geben gibt gab gegeben; person; ; event
listen; zu+hören; person; ; carefully @leisure
hurry; beeilen; person; ; sich
rest; aus+ruhen; person; ; sich @rest
shave; rasieren; man; ; sich slowly quickly carefully
get dressed/got/gotten; an+ziehen - zog gezogen; person; ; sich slowly quickly
sit down/sat/sat; hin+setzen; person; ; sich slowly quickly moment
lie down/lay/lain; hin+legen; person; ; sich moment
have breakfast/had/had; frühstücken; person; ; quickly @eat
[accusative]
eat ate eaten; essen isst aß gegessen; person; food; slowly quickly @eat
drink drank drunk; trinken - trank getrunken; person; drink; slowly quickly @eat
bake; backen - backte gebacken; person; bakeable; well @kitchen season
cut cut cut; schneiden - schnitt geschnitten; person; cut; slowly carefully
order; bestellen; person; dish|drink; once @order
try; probieren; person; food|drink; @order
read read read; lesen liest las gelesen; person; readable; slowly carefully loudly quietly @leisure
write wrote written; schreiben - schrieb geschrieben; person; writable; slowly quickly @leisure
translate; übersetzen übersetzt übersetzte übersetzt; learner|worker; translatable; slowly quickly well @study
buy bought bought; kaufen; person; buy; once @shop
sell sold sold; verkaufen; person; car|bicycle|tractor|furniture|big|house|fruit|clothing; once
need; brauchen; person; thing|clothing|furniture|device|money|car|bicycle|apartment; state once
have had had; haben hat hatte gehabt; person; thing|clothing|big|vehicle_own|pet|problem|idea_good|plan|kin|\
apartment|house|garden; state once nopassive
see saw seen; sehen sieht sah gesehen; person; kin|person|animal|vehicle|site|building; state event @leisure
hear heard heard; hören; person; kin|person|animal|song; state event
know knew known; kennen - kannte gekannt; person; kin|person|site; state event
love; lieben; person; kin|pet|plant; state
meet met met; treffen trifft traf getroffen; person; kin|person; @leisure
visit; besuchen; person; kin|person|museum|castle|site; season
call; an+rufen - rief gerufen; person; kin|person; moment
invite; ein+laden lädt lud geladen; person; kin|person; once
pick up/picked/picked; ab+holen; person; kin|person;
greet; begrüßen; person; kin|person;
ask; fragen; person; kin|person; once
understand understood understood; verstehen - verstand verstanden; person; kin|person|understandable; state well
kiss; küssen; person; kin;
hug; umarmen; person; kin;
wake/woke/woken; wecken; person; kin|child; quietly
disturb; stören; child|person; kin|person;
photograph; fotografieren; person; kin|animal|paintable; @nature
paint; malen; person; paintable|tree|flower|bird|horse; slowly @nature season
open; öffnen; person; openable|letter; slowly carefully quietly moment
close; schließen - schloss geschlossen; person; openable; slowly carefully quietly moment
turn on/turned/turned; ein+schalten; person; device; moment
turn off/turned/turned; aus+schalten; person; device; moment
repair; reparieren; person; repair; slowly quickly carefully well once @work_home
clean; putzen; person; window|kitchen|room|garage|shoe|garage; quickly carefully
wash; waschen wäscht wusch gewaschen; person; wash; slowly quickly carefully
build built built; bauen; person; house|bridge|tower|garage; slowly quickly once season
find found found; finden - fand gefunden; person; own|carry; state once event @leisure
look ~for; suchen; person; lendable|kin|pet; @leisure
lose lost lost; verlieren - verlor verloren; person; key|wallet|cell_phone|umbrella|ring|ticket|glove|watch|cap|\
money|photo; state once event @leisure nopassive
forget forgot forgotten; vergessen vergisst vergaß vergessen; person; key|wallet|cell_phone|umbrella|ticket|\
appointment|word|rule|bag|camera|exam; state once event @leisure nopassive
carry; tragen trägt trug getragen; person; packable|openable_box|box|basket|bottle|lamp|towel|chair|table|flower; \
slowly carefully
put on/put/put; an+ziehen - zog gezogen; person; jacket|coat|shirt|sweater|hat|cap|shoe|sock|glove|boot|\
scarf; slowly quickly nopassive
take off/took/taken; aus+ziehen - zog gezogen; person; jacket|coat|shirt|sweater|hat|cap|shoe|sock|glove|boot|\
scarf; slowly quickly nopassive
bring along/brought/brought; mit+bringen - brachte gebracht; person; toy|fruit|cake|dish|blanket|umbrella|camera|\
guitar|kin|dog;
throw away/threw/thrown; weg+werfen wirft warf geworfen; person; newspaper|magazine|letter|flower|shoe|box|bottle|\
carpet|sofa; once
drive drove driven; fahren fährt fuhr gefahren; person; drivable; slowly quickly carefully well nopassive season
park; parken; person; car|truck|bus|motorcycle; slowly carefully @city
rent; mieten; person; car|truck|bicycle|house|apartment|room; once season
practice; üben; person; song; well loudly quietly nopassive @rest
watch; an+schauen; person; watchable|game; @rest
pay paid paid; bezahlen; person; payable; once
sign; unterschreiben unterschreibt unterschrieb unterschrieben; person; contract|letter; once
learn; lernen; learner|person; learnable; slowly quickly @study season nopassive
feed fed fed; füttern; person; farm|pet|monkey|elephant;
stroke; streicheln; person; pet; carefully
catch caught caught; fangen fängt fing gefangen; person; ball|mouse|rabbit|fish|thief;
hold held held; halten hält hielt gehalten; person; flower|candle|key|umbrella|cup|glass|ticket|camera|map|\
pencil; carefully nopassive
use; benutzen; person; device|umbrella|map|bag|hammer|towel|knife|spoon;
count; zählen; person; farm|book|flower|bird|plate|glass|chair; slowly quickly many
collect; sammeln; person; watch|doll|postcard|picture|book; many
hide hid hidden; verstecken; person; gift|key|money|letter|ring; once
break broke broken; zerbrechen zerbricht zerbrach zerbrochen; child|person; breakable; state once event
pack; packen; person; packable; slowly quickly
plant; pflanzen; person; tree|flower; carefully once season
water; gießen - goss gegossen; person; flower|tree|garden; season
share; teilen; person; dish|room|apartment|chocolate|money; once
check; prüfen; person; bill|report|text|answer|contract; carefully
prepare; vor+bereiten; person; party|wedding|trip|exam|concert; carefully well season
correct; korrigieren; teacher|author|person; mistake|text|exam|report; slowly quickly carefully @study
solve; lösen; person; problem; quickly once
sing sang sung; singen - sang gesungen; person; song; well loudly quietly @fun
[dative]
help; helfen hilft half geholfen; person; kin|person; gern
thank; danken; person; kin|person; gern
answer; antworten; person; kin|person; quickly
follow; folgen; person|dog; kin|person; sein slowly quickly
trust; vertrauen; person; kin|person; state
congratulate; gratulieren; person; kin|person; gern once
listen ~to; zu+hören; person; kin|person|music; carefully
believe; glauben; person; kin|person; state
[ditransitive]
give gave given; geben gibt gab gegeben; person; gift|lend|fruit|cookie|readable|money|ticket;
show showed shown; zeigen; person; readable|showable|room|house|city|garden|map|ticket|ring|castle;
send sent sent; schicken; person; send;
lend lent lent; leihen - lieh geliehen; person; lend|money|car|bicycle; once
bring brought brought; bringen - brachte gebracht; person; cup|glass|blanket|pillow|dish|newspaper|letter|flower|\
towel|bowl|chair;
tell told told; erzählen; person; tellable|joke;
sell sold sold; verkaufen; person; car|bicycle|motorcycle|furniture|instrument; once
read read read; vor+lesen liest las gelesen; person; tellable|letter;
[prepositional]
wait; warten; person; kin|person|ride|message|answer|letter; for auf accusative @leisure
think thought thought; denken - dachte gedacht; person; kin|person|vacation|exam|work; of an accusative
talk; sprechen spricht sprach gesprochen; person; talkable; about über accusative @leisure
laugh; lachen; person; kin|story|mistake|monkey; about über accusative @leisure
dream; träumen; person; trip|wedding|vacation|house|castle|island; of von dative event
play; spielen; child|pet; ball|doll|dog|cat|child; with mit dative nopassive @outdoors
dance; tanzen; person; kin|person; with mit dative @fun
speak spoke spoken; sprechen spricht sprach gesprochen; person; kin|person; with mit dative @leisure

look forward/looked/looked; freuen; person; joy|party|concert|weekend; to auf accusative sich state

remember; erinnern; person; kin|trip|wedding|story|vacation; _ an accusative sich state
take care/took/taken; kümmern; person; child|pet|garden|grandparents|party|kin; of um accusative sich
complain; beschweren; customer|guest|neighbor|person; weather|bill|food|mistake; about über accusative sich
[direction]
go went gone; gehen - ging gegangen; person; ; sein @walk
come came come; kommen - kam gekommen; person; ; sein @come
drive drove driven; fahren fährt fuhr gefahren; person; ; sein nopassive @drive season
fly flew flown; fliegen - flog geflogen; person; ; sein @fly season
run ran run; laufen läuft lief gelaufen; person|dog; ; sein @outdoors
travel; reisen; person; ; sein @travel season
[location]
live; wohnen; person; ; @live season passively
stay; bleiben - blieb geblieben; person; ; sein state @stay season
sit sat sat; sitzen - saß gesessen; person|pet; ; @leisure
stand stood stood; stehen - stand gestanden; person|vehicle; ; @stand
wait; warten; person; ; @leisure
work; arbeiten; person; ; @work season
[ride]
go went gone; fahren fährt fuhr gefahren; person; ; sein @ride
travel; reisen; person; ; sein @ride
come came come; kommen - kam gekommen; person; ; sein @ride
[where]
lie lay lain; liegen - lag gelegen; lies; spot
stand stood stood; stehen - stand gestanden; stands; spot
hang hung hung; hängen - hing gehangen; hangs; wallspot
[whereto]
lay laid laid; legen; person; lies
put put put; stellen; person; stands
hang hung hung; hängen; person; hangs
[other]
belong ~to; gehören; own; person; state
like; gefallen gefällt gefiel gefallen; person; film|song|city|village|museum|picture|clothing|hotel|restaurant|\
novel|book|story|house|apartment|plan|party; state
rain; regnen; it; ;
snow; schneien; it; ;
cost cost cost; kosten; own; ; state
say said said; sagen; person; ; state
think thought thought; denken - dachte gedacht; person; ; state
believe; glauben; person; ; state
know knew known; wissen weiß wusste gewusst; person; ; state
hope; hoffen; person; ; state
hear heard heard; hören; person; ; state
ask; fragen; person; ; state
try; versuchen; person; ; control
forget forgot forgotten; vergessen vergisst vergaß vergessen; person; ; control
begin began begun; beginnen - begann begonnen; person; ; control
promise; versprechen verspricht versprach versprochen; person; ; control
decide; beschließen - beschloss beschlossen; person; ; control
plan; planen; person; ; control
"""
