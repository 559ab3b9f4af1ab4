"""BLEU and TER find words in every script, by the target language; where the right tokenizer is missing, it is said."""

import json

import pytest
import sacrebleu.tokenizers.tokenizer_ja_mecab as ja_mecab
import sacrebleu.tokenizers.tokenizer_ko_mecab as ko_mecab
import sacrebleu.tokenizers.tokenizer_spm as spm
import sentencepiece
from sacrebleu.metrics import BLEU

from mt.data.sources import Source, Sources, target_languages
from mt.evaluation import tokenization
from mt.evaluation.scores import score, zero_bleu
from mt.evaluation.tokenization import TOKENIZERS, ScoreSettings, Tokenization, tokenizer_of
from mt.train import main

# text in which one word is wrong, by language
SENTENCES = {
    "zh": ("老师昨天画了咖啡。", "老师今天画了咖啡。"),
    "ja": ("これはあかいペンです。", "これはあおいペンです。"),
    "th": ("วันนี้อากาศดีมาก", "วันนี้อากาศร้อนมาก"),
    "lo": ("ຂ້ອຍຊື່ວ່າສົມ", "ຂ້ອຍຊື່ວ່າຄຳ"),
    "km": ("ខ្ញុំស្រឡាញ់ភាសាខ្មែរ។", "ខ្ញុំស្រឡាញ់ភាសាបារាំង។"),
    "my": ("ကျွန်တော်နေကောင်းပါတယ်။", "ကျွန်တော်မနေကောင်းပါ။"),
    "bo": ("བཀྲ་ཤིས་བདེ་ལེགས།", "བཀྲ་ཤིས་བདེ་མོ།"),
}


@pytest.fixture
def no_mecab(monkeypatch):
    monkeypatch.setattr(ja_mecab, "MeCab", None)
    monkeypatch.setattr(ko_mecab, "MeCab", None)


def fitting(*languages, **settings):
    return ScoreSettings(**settings).fitting(*languages)


@pytest.mark.parametrize(
    ("tokenizer", "codes"),
    [
        ("zh", "zh ZH zh-CN zh_TW zh-Hans zho_Hant cmn yue yue_Hant wuu lzh chi cn Chinese"),
        ("ja-mecab", "ja jpn ja-JP jpn_Jpan jp"),
        ("ko-mecab", "ko kor ko_KR kor_Hang"),
        ("char", "th tha_Thai lo lao_Laoo km khm my mya_Mymr shn_Mymr bo bod_Tibt dzo_Tibt dz"),
        ("13a", "en de fr deu_Latn zh-Latn ja_Latn pt-BR sr-Cyrl vi mul x tw ms"),
    ],
)
def test_a_language_is_known_by_whatever_code_it_has(tokenizer, codes):
    assert {code: tokenizer_of(code) for code in codes.split()} == dict.fromkeys(codes.split(), tokenizer)


@pytest.mark.parametrize("language", SENTENCES)
def test_a_perfect_translation_is_perfect_and_a_wrong_word_is_no_wrong_sentence(language, no_mecab):
    right, wrong = SENTENCES[language]
    how = vars(fitting(language).tokenization)
    perfect = score([right] * 3, [[right] * 3], **how)
    assert (perfect.bleu, perfect.ter) == pytest.approx((100, 0))
    found = score([right, wrong], [[right, right]], **how)
    assert 20 < found.bleu < 100 and 0 < found.ter < 50, "two lines, of which one has a wrong word"


def test_what_computed_a_score_stands_in_its_signature():
    how = vars(fitting("zh").tokenization)
    signatures = score(["我爱你们。"], [["我爱你们。"]], **how).signatures
    assert "tok:zh" in signatures["bleu"] and "tok:zh" in signatures["bleu_lowercase"]
    assert "norm:yes" in signatures["ter"] and "asian:yes" in signatures["ter"]
    thai = score(["วันนี้"], [["วันนี้"]], **vars(fitting("th").tokenization)).signatures
    assert "tok:char" in thai["bleu"] and "tok:tercom-char" in thai["ter"]
    western = score(["a b c d"], [["a b c d"]], **vars(fitting("de").tokenization)).signatures
    assert "tok:13a" in western["bleu"] and "norm:no" in western["ter"] and "asian:no" in western["ter"]


def test_chinese_numbers_are_sacrebleus():
    right, wrong = SENTENCES["zh"]
    found = score([wrong], [[right]], **vars(fitting("zh").tokenization))
    assert found.bleu == BLEU(tokenize="zh").corpus_score([wrong], [[right]]).score


def test_characters_of_a_word_stay_with_their_signs():
    cut = tokenization.ter(Tokenization(ter="char"))._preprocess_segment
    assert cut("น้ำดี").split() == ["น้ำ", "ดี"]
    assert cut("ខ្មែរ").split() == ["ខ្មែ", "រ"]
    assert cut("ကောင်း").split() == ["ကောင်း"]
    assert cut("བདེ་ལེགས།").split() == ["བདེ་", "ལེགས", "།"]
    assert cut("コーヒーABC、3.5").split() == ["コ", "ー", "ヒ", "ー", "abc", "、", "3.5"]


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_where_the_right_tokenizer_is_missing_characters_are_counted_and_the_note_says_so(language, no_mecab):
    found = fitting(language)
    assert found.tokenization.tokenize == "char"
    assert f"pip install 'mt-trainer[{language}]'" in found.note and "tok:char" in found.note
    with pytest.raises(ValueError, match=rf"tokenize \({language}-mecab\) needs .* 'mt-trainer\[{language}\]'"):
        ScoreSettings(tokenize=f"{language}-mecab")


@pytest.mark.parametrize("language", ["ja", "ko"])
def test_with_the_extra_words_are_counted(language):
    if tokenization.problem_with(f"{language}-mecab"):
        pytest.skip(f"the extra {language} is not installed")
    found = fitting(language)
    assert found.tokenization.tokenize == f"{language}-mecab" and found.note is None
    text = ["東京へ行きました。"] if language == "ja" else ["나는 학교에 갔습니다."]
    assert f"tok:{language}-mecab" in score(text, [text], **vars(found.tokenization)).signatures["bleu"]


def test_settings_come_before_languages():
    assert fitting("zh", tokenize="char", ter="tercom").tokenization == Tokenization(tokenize="char", ter="tercom")
    assert fitting("zh", tokenize="13a").tokenization == Tokenization(tokenize="13a", ter="asian")
    # tokenised text has blanks between its words, whatever the language
    assert fitting("zh", tokenize="none").tokenization == Tokenization(tokenize="none", ter="tercom")


def test_several_languages_get_what_fits_all_of_them(no_mecab):
    assert fitting("de", "fr").tokenization == Tokenization()
    assert fitting("de", "zh").tokenization == Tokenization(tokenize="zh", ter="asian")
    assert fitting("de", "th").tokenization == Tokenization(tokenize="char", ter="char")


def test_sources_say_their_languages_themselves_or_by_their_tags():
    corpus = Sources(
        a=Source(corpus=Lines(), tag="<2zh>"),
        b=Source(corpus=Lines(), tag="<bt>", target_language="ja"),
        c=Source(corpus=Lines(), tag="<bt>"),
    )
    assert target_languages(corpus, "mul") == ["zh", "ja", "mul"]
    assert target_languages(Lines(), "de") == ["de"]


class Lines:
    def fingerprint(self):
        return ""


@pytest.mark.parametrize("name", ["flores101", "flores200", "spBLEU-1K", "spm"])
def test_a_sentencepiece_model_is_a_local_file_and_nothing_is_downloaded(name, tmp_path, monkeypatch):
    monkeypatch.setattr(spm, "SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr(spm, "download_file", lambda *_: pytest.fail("a download was tried"))
    with pytest.raises(ValueError, match=rf"tokenize \({name}\) needs the file {tmp_path}/models/\S+, .* SACREBLEU"):
        ScoreSettings(tokenize=name)
    path = tmp_path / "models" / spm.SPM_MODELS[name]["url"].rpartition("/")[2]
    path.parent.mkdir()
    path.write_text("no model")
    with pytest.raises(ValueError, match=rf"tokenize \({name}\) needs a sentencepiece model, and {path} is not one"):
        ScoreSettings(tokenize=name)
    texts = [text for pair in SENTENCES.values() for text in pair]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts * 5),
        model_prefix=str(tmp_path / "trained"),
        vocab_size=120,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    path.write_bytes((tmp_path / "trained.model").read_bytes())
    how = vars(fitting("th", tokenize=name).tokenization)
    found = score(texts, [texts], **how)
    assert found.bleu == pytest.approx(100)
    assert f"tok:{'flores101' if name == 'spm' else name}" in found.signatures["bleu"]


def test_all_that_sacrebleu_has_can_be_asked_for():
    assert set(TOKENIZERS) == set(BLEU.TOKENIZERS)
    assert {"13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none", "flores200", "spBLEU-1K"} <= set(TOKENIZERS)


def test_a_bleu_of_zero_beside_a_good_chrf_is_explained():
    lines = [right for right, _ in SENTENCES.values()]
    found = score(lines, [lines])
    assert found.bleu == 0 and found.chrf == pytest.approx(100)
    assert all(part in zero_bleu(found) for part in ("chrF2 is 100.0", "tok:13a", "tokenize=char"))
    assert zero_bleu(score(lines, [lines], tokenize="char")) is None
    assert zero_bleu(score(["x y z u"], [["a b c d"]])) is None, "noise has a BLEU of 0 by right"
    assert zero_bleu(score(lines, [lines], metrics=["ter"])) is None


@pytest.fixture
def chinese(tmp_path):
    """A folder of pairs to copy: train, valid and test in "English" and Chinese."""
    nouns, verbs = "老师 医生 孩子 妈妈 朋友".split(), "画了咖啡 忘记了小狗 看见了火车 喜欢苹果".split()
    lines = [noun + verb + "。" for noun in nouns for verb in verbs]
    for name, chosen in (("train", lines * 4), ("valid", lines[::3]), ("test", lines[1::3])):
        for ending in ("en", "zh"):
            (tmp_path / f"{name}.{ending}").write_text("".join(line + "\n" for line in chosen), encoding="utf-8")
    return tmp_path


def test_training_scores_chinese_by_itself_in_words_that_it_has(chinese, composed):
    run = chinese / "run"
    overrides = (
        f"data=text data.folder={chinese} data.prepared={chinese}/data folder={run} name=zh data.source_language=en"
        " data.target_language=zh data/cleaning=off tokenizer.vocab_size=60 tokenizer.character_coverage=1"
        " tokenizer.byte_fallback=false model=tiny model.layer.dim=16 model.layer.num_heads=2 model.layer.dropout=0"
        " model.layer.feed_forward_dim=32 trainer.max_steps=2 trainer.validate_every=1 trainer.device=cpu"
        " trainer.precision=float32 final.length_penalties=[0.6]"
    )
    main(composed(overrides.split()))
    step = json.loads((run / "best" / "scores.json").read_text("utf-8"))
    assert "tok:zh" in step["signatures"]["bleu"]
    assert any(name.startswith("BLEU|") and "tok:zh" in name for name in step["with_signature"])
    test = json.loads((run / "scores.json").read_text("utf-8"))["tests"]["test"]
    assert "tok:zh" in test["signatures"]["bleu"] and "asian:yes" in test["signatures"]["ter"]
    assert test["with_signature"][f"BLEU|{test['signatures']['bleu']}"] == test["bleu"]
