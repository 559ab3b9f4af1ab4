"""The names of utilities of minimum Bayes risk. Never imports torch: flags name them."""

UTILITIES = ("chrf", "bleu")
