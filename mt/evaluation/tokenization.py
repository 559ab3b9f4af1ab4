"""How BLEU and TER find words: chosen by the target language, in one place for everything that computes a score.

BLEU's default (13a) and TER's take text between blanks as a word. In text without blanks a whole sentence is
then one word: a perfect translation has BLEU 0, and a sentence with one wrong character counts as wholly wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import regex
from sacrebleu.metrics import BLEU
from sacrebleu.tokenizers import tokenizer_spm

from mt.evaluation.edit_rate import BoundedTER

AUTO = "auto"
TOKENIZERS = tuple(BLEU.TOKENIZERS)  # of BLEU: all those of the installed sacrebleu
TER_WORDS = ("tercom", "asian", "char")
EXTRAS = {"ja-mecab": "ja", "ko-mecab": "ko"}  # extras of this project, which install what a tokenizer needs

# Languages by the tokenization that they need; codes of ISO 639-1 and -3, and others that files are often named with.
CHINESE = {*"zh zho chi cmn yue wuu hak gan hsn cdo cjy czh czo cpx mnp nan lzh chinese cn zhs zht chs cht".split()}
JAPANESE = {*"ja jpn jp japanese".split()}
KOREAN = {*"ko kor korean".split()}
UNSPACED = {  # no word boundaries in writing, and no tokenizer in sacrebleu
    *"th tha thai tts nod sou lo lao laotian km khm khmer my mya bur burmese myanmar shn mnw ksw rki".split(),
    *"bo bod tib tibetan dz dzo dzongkha lhasa adx khg".split(),
}
# A script in the code (zho_Hans, ja-Latn) decides before the language; any other script has blanks.
SCRIPTS = {
    **dict.fromkeys(("hans", "hant", "hani", "bopo"), "zh"),
    **dict.fromkeys(("jpan", "hira", "kana", "hrkt"), "ja-mecab"),
    **dict.fromkeys(("kore", "hang"), "ko-mecab"),
    **dict.fromkeys(("thai", "laoo", "khmr", "mymr", "tibt", "lana", "tale", "talu", "java", "bali", "yiii"), "char"),
}
TER_OF = {"zh": "asian", "ja-mecab": "char", "char": "char"}  # by BLEU's tokenizer; all others use blanks
# A character of a script without blanks with all that is written on and around it: a syllable, or a part of one.
# With single code points as words, TER, which tries to move every phrase, would take seconds per line.
CHARACTER = regex.compile(
    r"""( [\u0e40-\u0e44\u0ec0-\u0ec4]? [\p{Thai}\p{Lao}] \p{M}* [\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3]* \p{M}*
        | \p{Khmer} (?: \u17d2\p{Khmer} | \p{M} )*                                  # a consonant, others below it
        | \p{Myanmar} (?: \u1039\p{Myanmar} | \p{M} )* (?: [\u1000-\u1021]\u103a\p{M}* )*    # up to a final consonant
        | [\p{Tibetan}--[\u0f0b-\u0f14]]+ [\u0f0b\u0f0c]?                           # up to the dot that ends a syllable
        | [\p{Han}\p{Hiragana}\p{Katakana}\u30fc\p{Yi}] \p{M}*
        | [\p{Tai_Tham}\p{Tai_Le}\p{New_Tai_Lue}\p{Javanese}\p{Balinese}] \p{M}*
        )""",
    regex.VERBOSE | regex.V1,
)


@dataclass(frozen=True, kw_only=True)
class Tokenization:
    """How both sides are split into words for a comparison; the names appear in the scores' signatures.

    tokenize  a tokenizer of sacrebleu for BLEU
    ter       tercom: words are text between blanks | asian: with sacrebleu's normalisation and Asian support, which
              separate punctuation and Han characters | char: in addition, each character of any script that is written
              without blanks is a word, with the signs on and around it (kana, Thai, Lao, Khmer, Burmese, Tibetan and
              others)
    """

    tokenize: str = "13a"
    ter: str = "tercom"


@dataclass(frozen=True)
class Fitting:
    """A tokenization for some languages, and a note about it for readers, or None."""

    tokenization: Tokenization
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """The `scores` node of a configuration. Raises ValueError for unknown names and missing files."""

    tokenize: str = AUTO
    ter: str = AUTO

    def __post_init__(self) -> None:
        if self.tokenize != AUTO:
            check_tokenizer(self.tokenize)
        if self.ter != AUTO:
            check_ter(self.ter)

    def fitting(self, *languages: str) -> Fitting:
        """The configured tokenization, else that of the target languages; `char`, with a note, if it is missing."""
        needed = {tokenizer_of(language) for language in languages} or {"13a"}
        best = needed.pop() if len(needed) == 1 else "zh" if needed == {"13a", "zh"} else "char"
        ter = self.ter
        if ter == AUTO:  # in text that is tokenised already, blanks separate words in every language
            ter = "tercom" if self.tokenize == "none" else TER_OF.get(best, "tercom")
        if self.tokenize != AUTO:
            return Fitting(Tokenization(tokenize=self.tokenize, ter=ter))
        tokenize, note = best, None
        if problem := problem_with(best):
            tokenize = "char"
            note = f"BLEU for {', '.join(sorted(languages))} counts characters (tok:char), since {best} {problem}"
        elif best == "char":
            note = (
                f"BLEU for {', '.join(sorted(languages))} counts characters (tok:char): sacrebleu finds no words there"
                " without a sentencepiece model (flores200)"
            )
        return Fitting(Tokenization(tokenize=tokenize, ter=ter), note)


def tokenizer_of(language: str) -> str:
    """The tokenizer of BLEU that fits a language by its code: zh, zh-CN, zho_Hans, cmn, ja, jpn_Jpan, th, en, mul."""
    first, *more = re.split(r"[-_.@]", language.lower())
    for part in more:
        if part in SCRIPTS:
            return SCRIPTS[part]
        if re.fullmatch(r"[a-z]{4}", part):
            return "13a"  # a script with blanks, such as Latn
    if first in CHINESE:
        return "zh"
    if first in JAPANESE:
        return "ja-mecab"
    if first in KOREAN:
        return "ko-mecab"
    return "char" if first in UNSPACED else SCRIPTS.get(first, "13a")


def is_special(language: str) -> bool:
    """Whether scores of a language need another tokenization than most."""
    return tokenizer_of(language) != "13a"


def check_tokenizer(tokenize: str) -> None:
    """Raises ValueError, in one line with what to do, for a tokenizer that is unknown or cannot work here."""
    if tokenize not in TOKENIZERS:
        raise ValueError(f"tokenize ({tokenize}) must be one of {AUTO}, {', '.join(TOKENIZERS)}")
    if problem := problem_with(tokenize):
        raise ValueError(f"tokenize ({tokenize}) {problem}")


def check_ter(ter: str) -> None:
    """Raises ValueError for an unknown kind of words for TER."""
    if ter not in TER_WORDS:
        raise ValueError(f"ter ({ter}) must be one of {AUTO}, {', '.join(TER_WORDS)}")


def problem_with(tokenize: str) -> str | None:
    """What a tokenizer of BLEU lacks here, as a predicate; None where it works. Downloads nothing."""
    known = tokenizer_spm.SPM_MODELS.get(tokenize)
    if known:
        path = Path(tokenizer_spm.SACREBLEU_DIR) / "models" / Path(known["url"]).name
        if not path.is_file():  # sacrebleu would download it
            return (
                f"needs the file {path}, which is missing: download {known['url']} to it (the environment variable"
                " SACREBLEU sets another folder than ~/.sacrebleu)"
            )
    try:
        BLEU(tokenize=tokenize)
    except (RuntimeError, ImportError, AssertionError, OSError):
        if known:
            return f"needs a sentencepiece model, and {path} is not one"
        return f"needs a package that is missing: pip install 'mt-trainer[{EXTRAS.get(tokenize, tokenize)}]'"
    return None


def bleu(
    tokenization: Tokenization, *, lowercase: bool = False, references: Sequence[Sequence[str]] | None = None
) -> BLEU:
    """BLEU with this tokenization; `force` only silences sacrebleu's warning about text that is tokenised already."""
    tokenize = tokenization.tokenize
    return BLEU(lowercase=lowercase, tokenize=tokenize, force=lowercase or tokenize == "none", references=references)


def ter(tokenization: Tokenization, *, references: Sequence[Sequence[str]] | None = None) -> BoundedTER:
    """TER with this tokenization."""
    if tokenization.ter == "char":
        return _CharacterTER(references=references)
    is_asian = tokenization.ter == "asian"
    return BoundedTER(normalized=is_asian, asian_support=is_asian, references=references)


class _CharacterTER(BoundedTER):
    """TER with Asian support that separates each character of scripts without blanks; Tercom does so only for Han."""

    def __init__(self, references: Sequence[Sequence[str]] | None = None):
        super().__init__(normalized=True, asian_support=True)
        self.tokenizer_signature = "tercom-char"
        if references is not None:
            self._ref_cache = self._cache_references(references)

    def _preprocess_segment(self, sentence: str) -> str:
        return " ".join(CHARACTER.sub(r" \1 ", super()._preprocess_segment(sentence)).split())
