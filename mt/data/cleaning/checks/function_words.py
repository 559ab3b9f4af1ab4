"""Function words, which are frequent in every text of a language, by language code: enough to identify languages.

Only languages that blanks separate into words are here. Two languages are distinguished by the words that only one
of them has, so a list must also hold function words of others that it shares: "will" and "was" are German, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from mt.data.cleaning.checks.scripts import language_of, scripts_of

_WORDS = {
    "bg": "и на от за се да че не са по при като със към без аз ти той тя ние вие те това този тази тези който"
    " което които беше бяха ще има няма много само или но след преди в у а о до",
    "ca": "el la els les un una uns unes de del dels al als amb per que és són era va han ha no més però com també"
    " aquest aquesta això molt seva seu quan on ja hi jo tu ell ella nosaltres perquè a has he si se me te en",
    "cs": "je se na že to v z do s jsem jsi jsou byl byla bylo není ale jako jeho její který která které když pro"
    " nebo jen tak už až ještě po při od já ty on ona my vy bude také může a i za si ten ti co jak by k o",
    "da": "og at det er en til af for på med den ikke som der har de jeg han hun vi var et du kan vil skal om men"
    " eller fra min mit din sin sit blev være meget når også efter hvad have to her man dem i over så",
    "de": "der die das und ist nicht ein eine einen einem einer zu den dem des mit sich auf für von im ich du er"
    " sie es wir ihr sind war hat haben wird als auch aber bei nach wie wenn dass oder nur noch vor aus über sein"
    " seine kann mein dein kein keine in an was will so am man her hier",
    "en": "the a an of and to in is was it that for on with he she you we they are this these those not have has"
    " had be been were at by from or but his her their my your our its what which who when there would will can"
    " could should do does did as if than then them him me into about am man hat war die so son pour ton par no come"
    " era met over want men den per",
    "es": "el la los las un una unos de del que y en no se por con para su sus es son era está están fue al lo como"
    " más pero le les me te mi tu muy ya cuando porque también este esta esto eso hay qué sin sobre yo él ella"
    " nosotros a ha he has han si mas nos o e ti",
    "et": "ja on ei et see ta ma sa me te nad oma aga kui mis kes seda selle ka oli olen pole ning või siis kus"
    " juba nagu väga veel mida tema minu sinu a no",
    "fi": "ja on ei se että hän minä sinä me te he ovat oli olen en et mutta kun jos niin kuin myös tämä joka mitä"
    " mikä minun sinun hänen ole ollut olla tai vain nyt sitten jo hyvin kanssa",
    "fr": "le la les un une des de du et est dans pour que qui pas ne ce cette ces il elle nous vous ils elles je"
    " tu on au aux avec sur sont était été avoir être par plus mais ou où son sa ses leur mon ma mes ton ta tes si"
    " très quand comme sans ont fait a as an me se en es te y à",
    "hr": "je i u se na da su za od ne što sam si će bi kao ali nije ili samo kad kada koji koja koje ovo ono ja ti"
    " on ona mi vi oni bio bila bilo biti ima moj tvoj njegov iz po jer a do to ta te tu me s k o jo",
    "hu": "a az és hogy nem is egy ez ezt azt van volt meg el ki be de ha csak már még mint vagy én te mi ti ők ami"
    " aki nagyon lesz sem nincs kell ott itt mert után no on",
    "id": "yang dan di itu ini dengan untuk tidak dari dalam akan pada saya anda dia mereka kami kita adalah ada"
    " bisa telah sudah oleh ke juga atau tetapi karena seorang sebuah apa orang lebih harus",
    "it": "il lo la gli le un una uno di del della dei delle che e è non si per con sono era al alla nel nella da"
    " dal ha ho hanno come più ma anche io tu lui lei noi voi questo questa suo sua mio mia cosa quando perché molto"
    " ci mi ti a in me do i se te no mas",
    "lt": "ir yra ne kad tai jis ji aš tu mes jūs jie buvo su į iš už bet kaip kas ar dar jau tik man jo jos po per"
    " nuo labai apie šis savo to a",
    "lv": "un ir ka ar no uz par tas viņš viņa es tu mēs jūs bija nav kā bet vai arī šis tā lai pie man savu ļoti"
    " kas jau tikai to a",
    "nb": "og det er en i på til av for med ikke som den har de jeg han hun vi var et du kan vil skal om men eller"
    " fra min mitt din sin ble være veldig når også etter hva meg deg seg her to man dem over så",
    "nl": "de het een van en in is dat op te zijn niet met voor hij zij ze ik je we wij er aan was om ook als maar"
    " door bij heeft hebben dit die uit nog naar wat geen kan wordt worden mijn jouw haar hun zich over heb ben of"
    " me had wie hier man so",
    "pl": "jest nie się na że do to i w z o jak po ale ten ta tego tym są był była było jego jej ich czy już tylko"
    " przez od za ja ty on ona my wy mnie ciebie co kto gdy może być bardzo jestem dla oraz lub a by we tak si s k"
    " te",
    "pt": "o os as um uma uns de do da dos das que e em no na nos nas não se por com para ao ele ela eu você nós"
    " eles é são foi está era como mais mas muito quando porque também este esta isso seu sua meu minha tem há já"
    " pelo pela a me te la lo si sem estas estão tu ti",
    "ro": "și în de la cu pe că nu este sunt a fost un o din pentru mai care ce se să au el ea eu tu noi voi ei lui"
    " dar ca sau dacă când acest această foarte după am ai prin in si sa are mi as al te",
    "ru": "и в не на что я с он как это по но они мы она из у за от то так же все было был была были для бы вы ты"
    " его её ее меня тебя нас если или уже только когда очень до чтобы этот эта есть нет а о при",
    "sk": "je sa na že to v z do s som si sú bol bola bolo nie ale ako jeho jej ktorý ktorá ktoré keď pre alebo len"
    " tak už ešte po pri od ja ty on ona my vy bude tiež môže a i za ten ta ti by co k o",
    "sl": "je in se na da za so ne ki pa v z tudi kot ali ker ko sem si smo bil bila bilo bi po od pri jaz ti on"
    " ona mi vi oni ta to lahko kaj samo še že zelo a do i o s k su",
    "sr": "је и у се на да су за од не што сам си ће би као али није или само кад када који која које ово оно ја ти"
    " он она ми ви они био била било бити има из по јер а о до с в к то та",
    "sv": "och att det är en som på för av med den till inte har de jag han hon vi var ett du kan ska om men eller"
    " från min mitt din sin blev vara mycket när också efter vad mig dig sig ni in man dem to her så över",
    "tr": "bir ve bu da de için ile ne o ben sen biz siz çok daha var yok değil gibi ama olarak mi mı mu mü en her"
    " şey kadar sonra benim senin onun ki olan oldu ya on an a",
    "uk": "і в не на що я з він як це по але вони ми вона із у за від то так же все було був була були для би ви ти"
    " його її мене тебе нас якщо або вже тільки коли дуже до щоб цей ця є немає та а о при",
    "vi": "và của là có không được cho một những các người này đó với trong tôi anh em ông bà chúng ta đã đang sẽ"
    " rất khi nhưng thì mà để từ vào ra ở như cũng nó họ to do a an in",
}  # fmt: skip
FIRST_WORDS = 6  # nearly all sentences hold a function word of their language among these
_SAME_WORDS = {"bs": "hr", "ms": "id", "no": "nb"}  # close enough to share a list


@lru_cache
def function_words(code: str) -> frozenset[str]:
    """The function words of a language; none for a language, or a script of it, that this file does not know."""
    language = language_of(code)
    if language == "sr" and "Cyrillic" not in scripts_of(code):
        language = "hr"
    return frozenset(_WORDS.get(_SAME_WORDS.get(language, language), "").split())


@lru_cache
def telling_words(code: str, other: str) -> frozenset[str]:
    """The function words of one language that the other lacks; none where either is not known."""
    words, others = function_words(code), function_words(other)
    return words - others if words and others else frozenset()


def known_languages() -> list[str]:
    """The codes of all languages with function words of their own."""
    return sorted(_WORDS)


class WordEvidence(NamedTuple):
    """The number of different function words of the other side's language in each side; 0 if it has one of its own."""

    source: int
    target: int


def wrong_words(source: str, target: str, source_language: str, target_language: str) -> WordEvidence:
    """Evidence from function words that a side is written in the other side's language."""
    own, others = telling_words(source_language, target_language), telling_words(target_language, source_language)
    if not own or not others:
        return WordEvidence(0, 0)
    # nearly all sentences hold a word of their own language: the first one found ends the check
    source_words, target_words = source.lower().split(), target.lower().split()
    return WordEvidence(
        len(others.intersection(source_words)) if own.isdisjoint(source_words) else 0,
        len(own.intersection(target_words)) if others.isdisjoint(target_words) else 0,
    )


def without_own_words(texts: Sequence[tuple[str, str]], source_language: str, target_language: str) -> list[int]:
    """The places of the pairs that need `wrong_words`: for the others, that would give no evidence."""
    own, others = _as_written(source_language, target_language), _as_written(target_language, source_language)
    if not own or not others:
        return []
    left = [
        place
        for place, (source, target) in enumerate(texts)
        if own.isdisjoint(source.split(None, FIRST_WORDS)) or others.isdisjoint(target.split(None, FIRST_WORDS))
    ]
    return [
        place for place in left if own.isdisjoint(texts[place][0].split()) or others.isdisjoint(texts[place][1].split())
    ]


@lru_cache
def _as_written(code: str, other: str) -> frozenset[str]:
    """`telling_words`, also as they begin a sentence; none where either language is not known."""
    words = telling_words(code, other) if telling_words(other, code) else frozenset()
    return words | {word.capitalize() for word in words if word.capitalize().lower() == word}
