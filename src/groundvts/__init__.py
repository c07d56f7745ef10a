"""GroundVTS, reproduced independently: query-guided visual token sampling for video grounding.

Before the language model of a video LLM reads a video, a small module scores every visual token
against the query and only the best are kept. This package converts the benchmarks, reads videos,
trains in three stages, predicts moments and scores them; the verbs of ``groundvts`` chain it all.
"""

__version__ = "0.1.0"
