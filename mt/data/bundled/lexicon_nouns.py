"""Nouns of both languages.

Each line: English[/plural]; German gender plural [genitive]; tags. A line `[...]` gives tags to all lines after it.
Gender is m, f or n; `m*` is the weak declension (den Studenten); a plural of `-` marks a noun without plural \
(`mass`)
a gender of `p` a noun that has only a plural. What tags mean is what `lexicon_verbs` asks of subjects and objects.
"""

NOUNS = """
[person]
man/men; Mann m Männer
woman/women; Frau f Frauen
child/children; Kind n Kinder; child neutral
boy; Junge m* Jungen; child
girl; Mädchen n Mädchen; child neutral
neighbor; Nachbar m* Nachbarn
guest; Gast m Gäste
tourist; Tourist m* Touristen
customer; Kunde m* Kunden
student; Student m* Studenten; learner
pupil; Schüler m Schüler; learner child
king; König m Könige
queen; Königin f Königinnen
prince; Prinz m* Prinzen
princess; Prinzessin f Prinzessinnen
[person worker]
teacher; Lehrer m Lehrer
doctor; Arzt m Ärzte
engineer; Ingenieur m Ingenieure
waiter; Kellner m Kellner
waitress; Kellnerin f Kellnerinnen
baker; Bäcker m Bäcker
farmer; Bauer m* Bauern
driver; Fahrer m Fahrer
police officer; Polizist m* Polizisten
lawyer; Anwalt m Anwälte
judge; Richter m Richter
singer; Sänger m Sänger
actor; Schauspieler m Schauspieler
actress; Schauspielerin f Schauspielerinnen
author; Autor m Autoren
painter; Maler m Maler
journalist; Journalist m* Journalisten
nurse; Krankenschwester f Krankenschwestern
gardener; Gärtner m Gärtner
mechanic; Mechaniker m Mechaniker
soldier; Soldat m* Soldaten
pilot; Pilot m* Piloten
saleswoman/saleswomen; Verkäuferin f Verkäuferinnen
hairdresser; Friseur m Friseure
photographer; Fotograf m* Fotografen
butcher; Metzger m Metzger
[kin]
mother; Mutter f Mütter; one
father; Vater m Väter; one
brother; Bruder m Brüder
sister; Schwester f Schwestern
grandmother; Großmutter f Großmütter; one
grandfather; Großvater m Großväter; one
uncle; Onkel m Onkel
aunt; Tante f Tanten
son; Sohn m Söhne; child
daughter; Tochter f Töchter; child
cousin; Cousin m Cousins
nephew; Neffe m* Neffen; child
niece; Nichte f Nichten; child
friend; Freund m Freunde
colleague; Kollege m* Kollegen
boss; Chef m Chefs Chefs; one
parents; Eltern p Eltern
grandparents; Großeltern p Großeltern
[animal]
dog; Hund m Hunde; pet
cat; Katze f Katzen; pet
horse; Pferd n Pferde; pet
bird; Vogel m Vögel; flier pet
rabbit; Kaninchen n Kaninchen; pet
cow; Kuh f Kühe; farm
sheep/sheep; Schaf n Schafe; farm
pig; Schwein n Schweine; farm
goat; Ziege f Ziegen; farm
duck; Ente f Enten; flier farm
mouse/mice; Maus f Mäuse
bear; Bär m* Bären; wild
lion; Löwe m* Löwen; wild
monkey; Affe m* Affen; wild
elephant; Elefant m* Elefanten; wild
fox; Fuchs m Füchse; wild
[food buy taste carry]
apple; Apfel m Äpfel; fruit
pear; Birne f Birnen; fruit
banana; Banane f Bananen; fruit
orange; Orange f Orangen; fruit
strawberry; Erdbeere f Erdbeeren; fruit
cherry; Kirsche f Kirschen; fruit
tomato/tomatoes; Tomate f Tomaten; cut
potato/potatoes; Kartoffel f Kartoffeln; cookable
carrot; Karotte f Karotten; cookable cut
egg; Ei n Eier Eies; cookable
sausage; Wurst f Würste; cookable
cake; Kuchen m Kuchen; bakeable cut dish
pizza; Pizza f Pizzen; bakeable cut dish
roll; Brötchen n Brötchen; bakeable
cookie; Keks m Kekse; bakeable
pancake; Pfannkuchen m Pfannkuchen; bakeable
salad; Salat m Salate; dish
soup; Suppe f Suppen; cookable dish
bread; Brot n - Brotes; bakeable cut
cheese; Käse m - Käses; cut
meat; Fleisch n - Fleisches; cookable cut
rice; Reis m - Reises; cookable
fish; Fisch m - Fisches; cookable dish
chocolate; Schokolade f -
butter; Butter f - ; spread
honey; Honig m - ; spread
jam; Marmelade f - ; spread
ice cream; Eis n - Eises
[drink buy taste]
water; Wasser n -
coffee; Kaffee m -
tea; Tee m -
milk; Milch f -
beer; Bier n - Bieres
wine; Wein m - Weines
juice; Saft m - Saftes
lemonade; Limonade f -
cocoa; Kakao m -
[vehicle own repair]
car; Auto n Autos; drivable ride buy wash
bus; Bus m Busse Busses; drivable ride leaves
truck; Lastwagen m Lastwagen; drivable buy wash
motorcycle; Motorrad n Motorräder; ride buy wash
bicycle; Fahrrad n Fahrräder; ride buy wash
taxi; Taxi n Taxis; drivable ride
tractor; Traktor m Traktoren; drivable buy wash
train; Zug m Züge; ride leaves
ship; Schiff n Schiffe; ride leaves
airplane; Flugzeug n Flugzeuge; ride flier
tram; Straßenbahn f Straßenbahnen; ride leaves
[readable own]
book; Buch n Bücher; lies buy gift translatable
newspaper; Zeitung f Zeitungen; lies buy
magazine; Zeitschrift f Zeitschriften; lies buy
novel; Roman m Romane; lies buy gift translatable writable
letter; Brief m Briefe; lies send writable translatable
postcard; Postkarte f Postkarten; lies send writable
[readable]
poem; Gedicht n Gedichte; writable translatable
story; Geschichte f Geschichten; writable tellable translatable
fairy tale; Märchen n Märchen; tellable translatable
report; Bericht m Berichte; writable send translatable weighty
email; E-Mail f E-Mails; writable send
message; Nachricht f Nachrichten; writable send weighty
article; Artikel m Artikel; writable translatable
text; Text m Texte; writable translatable send task
[thing own buy carry]
key; Schlüssel m Schlüssel; lies lend
cell phone; Handy n Handys; lies lend device
bag; Tasche f Taschen; stands lend packable
suitcase; Koffer m Koffer; stands lend packable openable
backpack; Rucksack m Rucksäcke; stands lend packable
wallet; Brieftasche f Brieftaschen; lies
watch/watches; Uhr f Uhren; lies gift repair
umbrella; Regenschirm m Regenschirme; stands lend
pencil; Bleistift m Bleistifte; lies lend
ball; Ball m Bälle; lies lend gift toy
doll; Puppe f Puppen; lies gift toy
gift; Geschenk n Geschenke; lies send
picture; Bild n Bilder; hangs gift paintable showable
photo; Foto n Fotos Fotos; lies send showable
camera; Kamera f Kameras; lies lend gift repair device
ticket; Fahrkarte f Fahrkarten; lies
map; Landkarte f Landkarten; hangs lend
cup; Tasse f Tassen; stands wash breakable
glass/glasses; Glas n Gläser; stands wash breakable
plate; Teller m Teller; stands wash breakable
bottle; Flasche f Flaschen; stands openable breakable
bowl; Schüssel f Schüsseln; stands wash breakable
vase; Vase f Vasen; stands gift breakable
knife/knives; Messer n Messer; lies wash
fork; Gabel f Gabeln; lies wash
spoon; Löffel m Löffel; lies wash
candle; Kerze f Kerzen; stands gift
ring; Ring m Ringe; lies gift
box/boxes; Kiste f Kisten; stands openable
basket; Korb m Körbe; stands
blanket; Decke f Decken; lies wash
pillow; Kissen n Kissen; lies
towel; Handtuch n Handtücher; hangs wash
mirror; Spiegel m Spiegel; hangs breakable
guitar; Gitarre f Gitarren; instrument gift lend
violin; Geige f Geigen; instrument lend
flower; Blume f Blumen; plant gift paintable
hammer; Hammer m Hämmer; lies lend
[big own buy repair]
piano; Klavier n Klaviere; instrument stands
computer; Computer m Computer; device stands lend
television; Fernseher m Fernseher; device stands spotfront
radio; Radio n Radios; device stands
lamp; Lampe f Lampen; device stands
printer; Drucker m Drucker; device stands
washing machine; Waschmaschine f Waschmaschinen; device
refrigerator; Kühlschrank m Kühlschränke; openable
clock; Wanduhr f Wanduhren; hangs
[clothing thing own buy wash carry]
jacket; Jacke f Jacken; hangs
coat; Mantel m Mäntel; hangs
shirt; Hemd n Hemden; hangs
dress/dresses; Kleid n Kleider; hangs gift
skirt; Rock m Röcke; lies
sweater; Pullover m Pullover; lies gift
hat; Hut m Hüte; lies
cap; Mütze f Mützen; lies
shoe; Schuh m Schuhe; pair
sock; Socke f Socken; pair
glove; Handschuh m Handschuhe; pair
boot; Stiefel m Stiefel; pair
scarf/scarves; Schal m Schals Schals; gift lies
tie; Krawatte f Krawatten; gift hangs
blouse; Bluse f Blusen; hangs
[furniture own buy]
table; Tisch m Tische; surface under stands repair
chair; Stuhl m Stühle; surface under stands repair
bed; Bett n Betten; surface under spotbehind spotfront
sofa; Sofa n Sofas; surface spotbehind spotfront
desk; Schreibtisch m Schreibtische; surface under spotfront
armchair; Sessel m Sessel; surface spotfront
bench/benches; Bank f Bänke; surface under
carpet; Teppich m Teppiche; surface wash
cupboard; Schrank m Schränke; inside openable beside spotbehind spotfront
drawer; Schublade f Schubladen; inside openable
shelf/shelves; Regal n Regale; surface beside
[building]
door; Tür f Türen; openable beside paintwall spotbehind spotfront
window; Fenster n Fenster; openable beside wash spotfront
gate; Tor n Tore; openable
wall; Wand f Wände; wallspot paintwall
floor; Boden m Böden; surface
roof; Dach n Dächer; repair
tree; Baum m Bäume; plant under beside behind
house; Haus n Häuser; home behind beside buy own paintable
apartment; Wohnung f Wohnungen; home buy own
room; Zimmer n Zimmer; home inside
hotel; Hotel n Hotels; home behind
castle; Schloss n Schlösser Schlosses; home behind paintable
garage; Garage f Garagen; inside behind
church/churches; Kirche f Kirchen; behind paintable
tower; Turm m Türme; behind paintable
bridge; Brücke f Brücken; paintable
[site]
city; Stadt f Städte
village; Dorf n Dörfer
street; Straße f Straßen
garden; Garten m Gärten; inside
kitchen; Küche f Küchen; inside
park; Park m Parks Parks
restaurant; Restaurant n Restaurants; behind
museum; Museum n Museen; behind
hospital; Krankenhaus n Krankenhäuser; behind
school; Schule f Schulen; behind
factory; Fabrik f Fabriken; behind
supermarket; Supermarkt m Supermärkte; behind
library; Bibliothek f Bibliotheken; behind
pharmacy; Apotheke f Apotheken; behind
bakery; Bäckerei f Bäckereien; behind
stadium/stadiums; Stadion n Stadien; behind
lake; See m Seen; paintable
river; Fluss m Flüsse Flusses; paintable
mountain; Berg m Berge; paintable
island; Insel f Inseln
[idea]
question; Frage f Fragen; understandable task weighty fine
answer; Antwort f Antworten; understandable task weighty fine
problem; Problem n Probleme; talkable task weighty
solution; Lösung f Lösungen; talkable task weighty fine
idea; Idee f Ideen; understandable talkable weighty fine
word; Wort n Wörter; understandable learnable task weighty
sentence; Satz m Sätze; understandable translatable task
rule; Regel f Regeln; understandable learnable task weighty
mistake; Fehler m Fehler
plan; Plan m Pläne; talkable weighty fine
song; Lied n Lieder; singable task fine
language; Sprache f Sprachen; learnable task
film; Film m Filme Films; watchable talkable fine
game; Spiel n Spiele; talkable task fine
concert; Konzert n Konzerte; event fine
exam; Prüfung f Prüfungen; talkable task weighty
trip; Reise f Reisen; talkable joy weighty fine
party; Party f Partys; event joy fine
wedding; Hochzeit f Hochzeiten; event joy talkable fine
vacation; Urlaub m Urlaube; joy talkable fine
appointment; Termin m Termine; weighty
bill; Rechnung f Rechnungen; payable
contract; Vertrag m Verträge; understandable weighty
weather; Wetter n - ; talkable fine
money; Geld n - Geldes; need
time; Zeit f -
music; Musik f -; fine
"""
