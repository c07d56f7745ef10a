"""How long do samples become in tokens: against the cut-off, and the positions a model has."""

from __future__ import annotations

from collections.abc import Iterable

from groundvts.data.conversations import Conversation, conversations
from groundvts.data.inputs import Encoder
from groundvts.data.moment import Moment
from groundvts.data.video import FrameSampling
from groundvts.errors import BadInput
from groundvts.preflight.models import Known
from groundvts.prompts import Prompts
from groundvts.runs import runs, stage_settings
from groundvts.scales import frames_of

BYTES = 3  # of text to a token where there is no tokenizer yet; English has about four
TEMPLATE = 48  # tokens around system and user turn
LABEL = 12  # tokens around a frame of InternVL
LONGEST = 64  # samples whose text is counted by the tokenizer
SHOWN = 3


def look_at_lengths(
    config: dict, known: dict[str, Known], moments: dict[str, list[Moment]]
) -> tuple[dict, list[str], list[str]]:
    """{backbone: longest training sample and query in tokens}, what is too long, and what may be.

    A video counts as long as its annotation says, else as the longest that is read. Samples whose
    tokens are only estimated may be too long.
    """
    facts, wrong, notes = {}, [], []
    for backbone, one in known.items():
        try:
            lengths = _Lengths(config, one)
        except BadInput as error:
            wrong.append(f"backbones.{backbone}: {error}")
            continue
        try:
            samples = lengths.training(moments)
        except BadInput as error:
            wrong.append(f"conversations: {error}")
            samples = {}
        limit = min(config["backbones"][backbone]["cutoff"] or one.positions, one.positions)
        asked = lengths.asked(moments)
        facts[backbone] = {
            "counted": lengths.how,
            "positions": one.positions,
            "cutoff": config["backbones"][backbone]["cutoff"],
            "longest sample": max(samples.values(), default=0),
            "longest query": asked,
        }
        longer = sorted((n for n in samples if samples[n] > limit), key=lambda n: -samples[n])
        if longer:
            shown = ", ".join(f"{name} {samples[name]}" for name in longer[:SHOWN])
            key = f"backbones.{backbone}.cutoff"
            said = wrong if lengths.encoder else notes
            said.append(f"{key}: {len(longer)} training samples have more than {limit} tokens "
                        f"({lengths.how}): {shown}: read fewer frames or raise it")  # fmt: skip
        if asked > one.positions:
            wrong.append(f"frames: a query on {backbone} takes {asked} tokens, the model has "
                         f"{one.positions} positions: read fewer frames or pixels")  # fmt: skip
    return facts, wrong, notes


class _Lengths:
    """Lengths in tokens with one backbone; `how` says whether text was counted or estimated."""

    def __init__(self, config: dict, known: Known) -> None:
        self.config, self.known = config, known
        self.sampling = FrameSampling.read(frames_of(config, known.backbone))
        self.encoder, self.how = None, f"estimated, {BYTES} bytes of text to a token"
        if known.folder is not None:
            self.encoder, self.how = Encoder(known.folder), "the longest counted"
        self.label = LABEL * (self.sampling.count or 0)

    def training(self, moments: dict[str, list[Moment]]) -> dict[str, int]:
        """{id: tokens} of every training sample of the main runs on this backbone."""
        data = {
            name
            for run in runs(self.config)
            if run.main and run.trains and run.backbone == self.known.backbone
            for stage in run.stages
            for name in stage_settings(self.config, run, stage)["data"]
        }
        found: dict[str, tuple[int, Conversation]] = {}
        prompts = Prompts.load(self.config["prompts"]["set"], self.config["prompts"]["file"])
        form, seed = self.config["prompts"]["time_format"], self.config["seed"]
        for name in sorted(data):
            read = [moment for moment in moments[f"{name}/train"] if not moment.absurd]
            seconds = {moment.video: moment.duration for moment in read}
            kinds = self.config["benchmarks"][name]["kinds"]
            for one in conversations(read, prompts, kinds, form, seed):
                found[f"{name} {one.id}"] = (self._visual(seconds[one.video]), one)
        return self._with_text(found)

    def _with_text(self, found: dict[str, tuple[int, Conversation]]) -> dict[str, int]:
        """Tokens of text added: estimated of all, counted of the longest."""
        lengths = {
            name: visual + _estimate((one.system, one.user, one.answer))
            for name, (visual, one) in found.items()
        }
        if self.encoder is not None:
            for name in sorted(lengths, key=lengths.get, reverse=True)[:LONGEST]:
                visual, one = found[name]
                prompt = self.encoder.prompt(one.system, one.user, one.query, one.answer)
                lengths[name] = visual + len(prompt.ids) + len(prompt.answer)
        return lengths

    def asked(self, moments: dict[str, list[Moment]]) -> int:
        """Tokens of the longest query with its answer."""
        most = max(self.config["inference"]["max_new_tokens"].values())
        tests = {f"{name}/{one['test']}" for name, one in self.config["benchmarks"].items()
                 if name in self.config["evaluate"]}  # fmt: skip
        return max(
            (
                self._visual(moment.duration) + _estimate((moment.query, *moment.options)) + most
                for place in tests & set(moments)
                for moment in moments[place]
                if not moment.absurd
            ),
            default=0,
        )

    def _visual(self, duration: float | None) -> int:
        return self.known.visual_tokens(self.sampling, duration) + self.label


def _estimate(texts: Iterable[str]) -> int:
    return TEMPLATE + sum(len(text.encode()) for text in texts) // BYTES
