"""Random choices of one sentence, and a record of them."""

from random import Random


class Choice:
    """Random choices of one sentence, its marks, and the lemmas that it used."""

    def __init__(self, random: Random):
        self.random = random.random
        self.start()

    def start(self) -> None:
        """Forget the last sentence."""
        self.next_mark = 1
        self.lemmas: list[str] = []
        self.address = "you"
        self.has_you = False

    def mark(self) -> int:
        """A mark that no word has yet."""
        mark = self.next_mark
        self.next_mark = mark << 1
        return mark

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def pick(self, options):
        return options[int(self.random() * len(options))]

    def you(self) -> str:
        self.has_you = True
        return self.address
