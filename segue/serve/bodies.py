"""What clients send and what they get back, as OpenAPI knows it.

Bodies that come in are checked against these models; answers go out as prepared bytes and are only described by them.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _whole(text: str) -> str:
    """Refuse half a character (a lone surrogate), which JSON can say and no text may hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a character (a lone surrogate)") from error
    return text


Text = Annotated[str, AfterValidator(_whole)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Ask(_Body):
    """A request in plain language."""

    text: str = Field(description="What is wanted, in plain words.", examples=["play mary poppins"])
    context: dict[str, str] = Field(default_factory=dict, description="Who asks and where: device, user, time of day.")
    domain: str | None = Field(None, description="Search this domain only.")
    limit: int = Field(10, description="Results wanted, 1 to 100.")
    seed: int = Field(0, description="The same request, artifacts and seed give the same answer.")
    id: str | None = Field(None, description="The client's own id for the answer.")


class Act(_Body):
    """What a person did with a result."""

    answer: str = Field(description="The id of the answer that showed the item.")
    item: str = Field(description="The id of the item.")
    action: str = Field(
        description="click, play, save, like, buy, skip, dislike, undo, or what the store's settings name."
    )
    domain: str | None = Field(None, description="The item's domain; needed when two domains show the same id.")
    id: str | None = Field(None, description="The client's own id for this event: sent twice, it counts once.")


class PutItems(_Body):
    """Rows to add or update, with the catalogue's own column names."""

    items: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=10_000)]


class DeleteItems(_Body):
    """Ids of the items to delete."""

    ids: Annotated[list[Text], Field(min_length=1, max_length=10_000)]


class GoLive(_Body):
    """The candidate that is to take over."""

    candidate: Annotated[
        str,
        Field(
            pattern=r"^bridge-[0-9a-f]{16}$",
            description="Its name among the store's artifacts, such as bridge-0123456789abcdef.",
        ),
    ]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What happened, what was expected and how to fix it.")


class SourceBody(BaseModel):
    """Where a result stood in one strategy's list."""

    rank: int
    score: float


class ResultBody(BaseModel):
    """One item of an answer."""

    id: str
    title: str
    domain: str
    score: float
    sources: dict[str, SourceBody] = Field(description="Every strategy that found it.")
    fields: dict[str, Any] = Field(
        default_factory=dict, description="The catalogue's own columns; not in past answers."
    )


class HypothesisBody(BaseModel):
    """One reading of the request."""

    domain: str
    intent: str
    slots: dict[str, str]
    confidence: float


class ChoiceBody(HypothesisBody):
    """One of the things that a request may mean. To choose it, ask again with its domain."""

    label: str = Field(examples=["the film"])
    title: str | None = Field(description="The first result of the domain.")


class QuestionBody(BaseModel):
    """Asked back when two domains are about as likely."""

    text: str = Field(examples=["Did you mean the film or the book?"])
    choices: list[ChoiceBody]


class SelectionBody(BaseModel):
    """One decision of the selection policy."""

    domain: str
    strategy: str
    k: int
    propensity: float


class PlaceBody(BaseModel):
    """Where an agent stood: metres to the east (x) and north (y), and where it looked, in degrees clockwise from north."""

    name: str
    room: str
    floor: int
    x: float
    y: float
    heading: float


class StepBody(BaseModel):
    """What an agent did at a place."""

    action: Literal["walk", "stop"]
    probability: float = Field(description="How likely the action was to the agent.")
    reward: float = Field(description="What the agent's own learned reward gives for it.")


class WalkedBody(BaseModel):
    """How an agent carried out an instruction."""

    agent: str = Field(description="The folder among the store's artifacts.")
    house: dict[str, int] = Field(description="The seed and the number of the generated house.")
    places: list[PlaceBody] = Field(description="The way, from where it came in.")
    steps: list[StepBody] = Field(description="What was done at each place; none at the last where it was broken off.")
    stopped: bool = Field(description="Whether it stopped by itself.")
    near: str = Field(
        description="The thing that it ended at: the one asked for, if within 3 m in the last room, else the nearest there."
    )
    likely: float = Field(
        description="Probability, by the agent's own reward, that this was asked and not something else."
    )
    plan: dict[str, list[dict[str, Any]]] = Field(
        default_factory=dict, description="Rooms, doors and things of the house, to draw it; not in lists of answers."
    )


class AnswerBody(BaseModel):
    """An answer that explains itself."""

    id: str = Field(description="Names the answer in feedback.")
    request: dict[str, Any] = Field(description="What was asked.")
    decision: Literal["clear", "ask", "nobody's"] = Field(
        "clear",
        description="clear: the first hypothesis is it; ask: see the question; nobody's: no domain is likely meant.",
    )
    question: QuestionBody | None = Field(None, description="Asked back when the first two domains are close.")
    hypotheses: list[HypothesisBody] = Field(description="What it may mean in each domain, the likeliest first.")
    results: list[ResultBody] = Field(description="The items, best first, each with the strategies that found it.")
    selection: list[SelectionBody] = Field(description="Which strategies were asked for how many candidates.")
    walked: WalkedBody | None = Field(
        None, description="What an agent did, where the request was an instruction to act."
    )
    milliseconds: float = Field(description="Time to make the answer.")
    trace: dict[str, Any] = Field(
        description="Why: readings, memory, contributions, the policy, the time of each step."
    )
    explanation: dict[str, Any] = Field(
        default_factory=dict, description="By domain what the policy saw and decided; of one past answer only."
    )


class AnswersBody(BaseModel):
    """The last answers, newest first."""

    answers: list[AnswerBody]


class ActedBody(BaseModel):
    """Feedback that is on disk and learned."""

    id: str = Field(description="The event's id: the client's own, or a new one.")
    domain: str = Field(description="The item's domain.")
    new: bool = Field(description="False when an event with this id was there already.")


class DomainBody(BaseModel):
    """One domain."""

    domain: str
    items: int
    version: int
    categories: list[str]


class DomainsBody(BaseModel):
    """All domains that hold items, and those in which an agent acts."""

    domains: list[DomainBody]
    acting: list[str] = Field(description="Names of the domains in which an agent carries out instructions.")


class ActionsBody(BaseModel):
    """Actions and their weights, and the one that takes back."""

    actions: dict[str, float]
    undo: str


class LearningBody(BaseModel):
    """What has been learned lately."""

    policy: str = Field(description="What decides now, and from how much it has learned.")
    remembered: int = Field(description="Pairs of a query and an item that the memory holds.")
    domains: dict[str, dict[str, Any]] = Field(
        description="By domain: curves over answers (`held`, `split`, `regret`, `corrected`, `pairs`), the `health` of each "
        "strategy, and alarms."
    )


class PoliciesBody(BaseModel):
    """Policies judged from the log."""

    log: dict[str, Any] = Field(description="What was judged on: pages, those left out and why, from when to when.")
    domain: str | None = Field(description="The domain that was judged on, or null for all.")
    logged_policy: dict[str, Any] = Field(description="What was earned a page, measured.", alias="logged policy")
    policies: dict[str, dict[str, Any]] = Field(description="By policy: estimates with intervals and warnings.")


class PartBody(BaseModel):
    """A trained part: its content's hash, that of the one that it replaced, and when it was made, in seconds since 1970."""

    hash: str
    parent: str | None
    created: float


class ReaderBody(PartBody):
    """What reads a domain's requests."""

    encoder: bool = Field(description="Whether it stands beside the small encoder.")


class RerankerBody(PartBody):
    """What a reader's probabilities are worth."""

    requests: int | None = Field(description="Requests of all domains that it was trained from.")


class ReadDomainBody(BaseModel):
    """What understands the requests of one domain."""

    domain: str
    items: int | None = Field(description="Items in its catalogue; null without one.")
    state: Literal["live", "retired", "refused", "none"] = Field(
        description="Of its reader. retired: asked only by name; refused: it cannot be used, see the problem."
    )
    problem: str | None
    artifact: str | None = Field(description="The folder among the store's artifacts.")
    reader: ReaderBody | None
    reranker: RerankerBody | None
    measured: dict[str, Any] | None = Field(
        description="With the reader's probabilities alone (product) and with the re-ranker: domain accuracy, semantic error, "
        "calibration error and its floor, and the bins of a reliability diagram."
    )


class ActingDomainBody(BaseModel):
    """A domain in which an agent acts."""

    domain: str
    state: Literal["live", "refused"] = Field(description="refused: the agent cannot be used, see the problem.")
    problem: str | None
    artifact: str = Field(description="The folder among the store's artifacts.")
    house: dict[str, int] | None = Field(description="The seed and the number of the generated house that it walks in.")
    agent: PartBody | None
    measured: dict[str, dict[str, float]] | None = Field(
        description="On what was held out: of the `cloned` and the `learned` policy success and more, and how the `reward` tells."
    )


class UnderstandingBody(BaseModel):
    """What understands requests."""

    by: Literal["readers", "choice"] = Field(description="What decides: the readers, or the choice fitted on titles.")
    without: list[str] = Field(
        description="Domains that hold items and have no reader: while there are, the choice decides."
    )
    domains: list[ReadDomainBody]
    run: dict[str, Any] | None = Field(
        description="What the last training of re-rankers measured: confusion between domains with examples, and the decisions "
        "that changed; null before the first one."
    )
    acting: list[ActingDomainBody] = Field(description="Domains in which an agent carries out instructions.")


class TakingOverBody(BaseModel):
    """How far the encoder that takes over is in one domain."""

    domain: str
    items: int
    embedded: int = Field(description="Items that it has embedded; the others are mapped.")


class CandidateBody(BaseModel):
    """A bridge to an encoder that is to take over."""

    name: str
    encoder: str = Field(description="The folder of the encoder among the store's artifacts.")
    before: str = Field(description="The content's hash of the encoder that it takes over from.")
    created: float = Field(description="Seconds since 1970.")
    weight: float = Field(
        description="How much the new encoder's score counts, of 1, where an item's vector is mapped."
    )
    real: float = Field(description="The same where it has embedded the item.")
    how: str
    calibrated: dict[str, int] = Field(description="By domain, how many items were embedded to fit it.")
    live: bool
    gate: dict[str, Any] | None = Field(
        description="What the gate last said: `passed`, the `cross-test`, and of vectors, answers and the domain a verdict with "
        "the cases that broke; null where it was not asked."
    )


class UpgradesBody(BaseModel):
    """Which encoder answers, which was before, and which is to take over."""

    encoder: str | None
    before: str | None = Field(description="The encoder that `rollback` goes back to, when none is taking over.")
    upgrade: CandidateBody | None = Field(description="What is taking over now.")
    domains: list[TakingOverBody] = Field(description="How far it is; empty where none is taking over.")
    candidates: list[CandidateBody]


class Rejected(BaseModel):
    """A row that was kept out."""

    row: int
    reason: str


class PutBody(BaseModel):
    """What became of the rows."""

    added: int
    updated: int
    unchanged: int
    rejected: list[Rejected]


class DeletedBody(BaseModel):
    """What became of the ids."""

    deleted: list[str]
    unknown: list[str]


class HealthBody(BaseModel):
    """The server can answer."""

    status: str
    domains: int
