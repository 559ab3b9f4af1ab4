"""English names of languages, by their codes (ISO 639), for pages and clients that list them."""

from __future__ import annotations

from mt.data.cleaning.checks.scripts import language_of

_NAMES = (
    "af Afrikaans, am Amharic, ar Arabic, as Assamese, az Azerbaijani, be Belarusian, bg Bulgarian, bn Bengali, "
    "bo Tibetan, bs Bosnian, ca Catalan, cs Czech, cv Chuvash, cy Welsh, da Danish, de German, dz Dzongkha, el Greek, "
    "en English, eo Esperanto, es Spanish, et Estonian, eu Basque, fa Persian, fi Finnish, fil Filipino, fo Faroese, "
    "fr French, fy Western Frisian, ga Irish, gd Scottish Gaelic, gl Galician, gu Gujarati, ha Hausa, he Hebrew, "
    "hi Hindi, hr Croatian, ht Haitian Creole, hu Hungarian, hy Armenian, id Indonesian, ig Igbo, is Icelandic, "
    "it Italian, ja Japanese, jv Javanese, ka Georgian, kk Kazakh, km Khmer, kn Kannada, ko Korean, ku Kurdish, "
    "ky Kyrgyz, la Latin, lb Luxembourgish, lo Lao, lt Lithuanian, lv Latvian, mg Malagasy, mi Maori, mk Macedonian, "
    "ml Malayalam, mn Mongolian, mr Marathi, ms Malay, mt Maltese, my Burmese, nb Norwegian Bokmål, ne Nepali, "
    "nl Dutch, nn Norwegian Nynorsk, no Norwegian, nso Northern Sotho, oc Occitan, or Odia, pa Punjabi, pl Polish, "
    "ps Pashto, pt Portuguese, ro Romanian, ru Russian, rw Kinyarwanda, sa Sanskrit, sd Sindhi, si Sinhala, "
    "sk Slovak, sl Slovenian, sn Shona, so Somali, sq Albanian, sr Serbian, st Southern Sotho, su Sundanese, "
    "sv Swedish, sw Swahili, ta Tamil, te Telugu, tg Tajik, th Thai, ti Tigrinya, tl Tagalog, tn Tswana, tr Turkish, "
    "ts Tsonga, tt Tatar, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, vi Vietnamese, wo Wolof, xh Xhosa, yi Yiddish, "
    "yo Yoruba, yue Cantonese, zh Chinese, zu Zulu"
)
NAMES = {code: name for code, _, name in (entry.partition(" ") for entry in _NAMES.split(", "))}


def language_name(code: str) -> str:
    """The name of a language, with its variant in brackets: `Portuguese (pt-BR)`; an unknown code stays itself."""
    name = NAMES.get(language_of(code))
    if name is None:
        return code
    return name if language_of(code) == code.lower() else f"{name} ({code})"
