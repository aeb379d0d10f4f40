"""LDA topics: what the news of each row is about, as proportions.

`lda` is the learner. It reads top down: words become phrases and bags (`bags`), topics are learned from them (`fitting`), a text gets
its proportions (`inference`), and what was learned is judged and shown (`quality`).
"""

from quantlab.text.topics.bags import Bags, bags_of
from quantlab.text.topics.inference import posterior
from quantlab.text.topics.lda import LdaTopics

__all__ = ["Bags", "LdaTopics", "bags_of", "posterior"]
