"""Do re-rankers that each domain trains alone make domains' scores comparable, and how near is that to training them together?

Question: on requests that neither readers nor re-rankers saw, domain accuracy, SemER and calibration of the most confident
hypothesis of all domains. Baselines: the product of a reader's three probabilities; Platt scaling, temperature and isotonic
regression of the product, of all domains together and of each alone. Ceiling: one list-wise model over all domains. Settings:
readers that are all built alike ("light", "encoder"), and domains that take two or three ways to build a reader in turn
("light+encoder", "light+encoder:balanced+light:twice"). After a colon stands how a team's classifier of its domain differs:
*balanced*, trained on as many requests of others as of its own, so that its log-odds are higher by log((1 − π)/π) where π is the
domain's share (King and Zeng 2001); *twice*, it counts evidence twice, as naive Bayes does with features that overlap.
Intervals: paired bootstrap over the requests of all folds. The floor beside a calibration error is what confidences that are all
true would show on as many requests. Claims: R1's calibration error at least three times the product's; R2's and R3's at most
.030; R3 −2 % of SemER against the product when built alike, −10 % when not; at least 80 % of the ceiling's gain.

    python -m benchmarks.quality.rerankers [--data FILE] [--readers DIR | --made-up N] [--settings light light+encoder]
        [--folds 1 2 …] [--context KEY] [--work DIR] [--out DIR]

--readers holds hypotheses-ARM-FOLD.npz, as the benchmark of readers keeps them for each of ten folds; those of the nine others
train re-rankers for a fold. --made-up N draws N requests a fold from readers that are known
instead, to try it out. --context adds arms with blocks for what requests' contexts say of a key. Resumable: every run (setting,
fold) is a file in --work; delete it to run it again.
"""

import argparse
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is loaded: two processes share two cores
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.folds import Read, joined, kept
from benchmarks.made_up import Built, made_up
from benchmarks.record import DATA, RESULTS, plain, save
from benchmarks.runs import finished, run_all
from segue.recipes.pictures import draw_reliability
from segue.understand.calibration import calibration_floor, reliability
from segue.understand.calibrators import CALIBRATIONS
from segue.understand.features import PUBLISHED, FeatureSet, extended, product_logit
from segue.understand.hypotheses import Floats, Hypotheses, Judged, Utterance, judge
from segue.understand.joint import fit_joint
from segue.understand.labelled import load
from segue.understand.measures import Difference, Outcomes, compared, figures, outcomes, pooled
from segue.understand.merging import merge
from segue.understand.objectives import R1, R2, R3, Objective
from segue.understand.reranker import fit

SETTINGS = ("light", "encoder", "light+encoder", "light+encoder:balanced+light:twice")
BUILT = {"light": Built(), "encoder": Built(sure=2.5, shift=2)}
"""What arms stand for in a setting of readers that are made up."""

FOLDS = range(1, 11)
PRODUCT, BEST, CEILING = "product", "R3, extended", "joint ceiling"
RERANKERS: dict[str, tuple[Objective, bool]] = {
    "R1": (R1, False),
    "R2": (R2, False),
    "R3": (R3, False),
    "R2, extended": (R2, True),
    BEST: (R3, True),
}
"""Arm → objective, and whether it sees more than the article's features."""

Job = tuple[str, int]
"""Setting, fold."""
Tables = Sequence[tuple[Hypotheses, Judged]]
Arms = dict[str, list[Floats]]
"""Arm → each domain's confidences."""


def one_run(job: Job, chosen: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Fit every arm on a fold's training tables and merge its held-out ones: what came of every request, and a line."""
    train, test = drawn(job, chosen.made_up) if chosen.made_up else read(job, chosen)
    tables = [(table, judge(table, train.utterances)) for table in train.tables]
    arms, seconds = confidences(tables, test.tables)
    if chosen.context:
        arms |= in_context(tables, train, test, chosen.context)
    found = {}
    for arm, values in arms.items():
        merged = merge(list(zip(test.tables, values, strict=True)), requests=len(test.utterances))
        came = outcomes(merged, test.tables, test.utterances)
        best = merged.best()
        chosen_domain = [merged.domains[merged.domain[at]] if at >= 0 else "" for at in best.tolist()]
        found[arm] = {name: getattr(came, name).tolist() for name in Outcomes.__dataclass_fields__} | {
            "went to": chosen_domain
        }
    line = ", ".join(
        f"{arm} {figures(as_outcomes(found[arm]))['semantic error']:.3f}" for arm in (PRODUCT, BEST, CEILING)
    )
    return {"arms": found, "seconds": seconds, "independence": independence(tables, test.tables)}, line


def read(job: Job, chosen: argparse.Namespace) -> tuple[Read, Read]:
    """What readers made of the nine other folds, and of this one; domains take the setting's arms in turn."""
    setting, held_out = job
    arms = setting.split("+")
    said = load(chosen.data).utterances
    parts = []
    for folds in ([fold for fold in FOLDS if fold != held_out], [held_out]):
        of_arms = [joined([kept(reader_file(chosen.readers, arm, fold)) for fold in folds]) for arm in arms]
        tables = [
            built_otherwise(of_arms[place % len(arms)][0][place], arms[place % len(arms)], said)
            for place in range(len(of_arms[0][0]))
        ]
        parts.append(Read([said[place] for place in of_arms[0][1].tolist()], tables))
    return parts[0], parts[1]


def reader_file(folder: Path, arm: str, fold: int) -> Path:
    return folder / f"hypotheses-{arm.split(':')[0]}-{fold}.npz"


def built_otherwise(table: Hypotheses, arm: str, said: Sequence[Utterance]) -> Hypotheses:
    """A table with the probability of its domain as another classifier would give it."""
    way = arm.partition(":")[2]
    logs = table.logs.copy()
    odds = logs[:, 0] - np.log(-np.expm1(np.minimum(logs[:, 0], -1e-9)))
    share = sum(one.domain == table.domain for one in said) / len(said)
    if way == "balanced":
        odds += np.log((1 - share) / share)
    elif way == "twice":
        odds *= 2
    elif way:
        raise ValueError(f"no classifier is built {way!r}")
    if way:
        logs[:, 0] = -np.logaddexp(0, -odds)
    return replace(table, logs=logs)


def drawn(job: Job, requests: int) -> tuple[Read, Read]:
    """Eight domains, which take the setting's arms in turn."""
    setting, fold = job
    arms = setting.split("+")
    domains = {f"domain {place}": BUILT[arms[place % len(arms)].split(":")[0]] for place in range(8)}
    sizes = (4 * requests, requests)
    parts = [made_up(size, domains, seed=2 * fold + part, spread=(5, 3)) for part, size in enumerate(sizes)]
    train, test = (Read(part.utterances, [table for table, _ in part.tables]) for part in parts)
    return train, test


def confidences(train: Tables, test: Sequence[Hypotheses]) -> tuple[Arms, dict[str, Any]]:
    """Every arm's confidences in the hypotheses of `test`, and the seconds that fits took."""
    arms: Arms = {PRODUCT: [np.exp(table.logs.sum(axis=1)) for table in test]}
    seconds: dict[str, Any] = {}
    for arm, (objective, more) in RERANKERS.items():
        took = []
        arms[arm] = []
        for (table, judged), held_out in zip(train, test, strict=True):
            started = time.perf_counter()
            fitted = fit(table, judged, features=_features(table, more), objective=objective)
            took.append(time.perf_counter() - started)
            arms[arm].append(fitted.confidences(held_out))
        seconds[arm] = {"all": round(sum(took), 3), "longest": round(max(took), 3)}
    arms |= calibrated(train, test)
    started = time.perf_counter()
    arms[CEILING] = fit_joint(train).confidences(test)
    seconds[CEILING] = {"all": round(time.perf_counter() - started, 3)}
    return arms, seconds


def in_context(tables: Tables, train: Read, test: Read, key: str) -> Arms:
    """R3 with blocks for the values of a key in contexts."""
    known, asked = ([one.context for one in part.utterances] for part in (train, test))
    arms: Arms = {}
    for arm, more in (("R3, context", False), (f"{BEST}, context", True)):
        arms[arm] = []
        for (table, judged), held_out in zip(tables, test.tables, strict=True):
            features = _features(table, more).with_contexts(table, judged.own, known, [key])
            arms[arm].append(fit(table, judged, features=features, contexts=known).confidences(held_out, asked))
    return arms


def calibrated(train: Tables, test: Sequence[Hypotheses]) -> Arms:
    """Platt scaling, temperature and isotonic regression, of all domains together and of each alone."""
    logits = [product_logit(table) for table, _ in train]
    right = [judged.right for _, judged in train]
    asked = [product_logit(table) for table in test]
    arms: Arms = {}
    for name in ("Platt", "temperature", "isotonic"):
        together = CALIBRATIONS[name](np.concatenate(logits), np.concatenate(right))
        arms[f"{name}, together"] = [together.confidences(one) for one in asked]
        alone = [CALIBRATIONS[name](*pair) for pair in zip(logits, right, strict=True)]
        arms[f"{name}, each"] = [one.confidences(of) for one, of in zip(alone, asked, strict=True)]
    return arms


def independence(train: Tables, test: Sequence[Hypotheses]) -> dict[str, Any]:
    """Fit the first domain again, from the first half of its requests: whose scores change, and how many decisions?"""
    before = [fit(*one, features=_features(one[0], True)) for one in train]
    table, judged = train[0]
    half = int(np.searchsorted(table.request, table.request[len(table) // 2]))
    part = Hypotheses(
        table.domain, table.request[:half], table.meanings[:half], table.logs[:half], table.local[:half], table.names
    )
    fewer = Judged(judged.own[:half], judged.right[:half], judged.errors[:half], judged.slots[:half])
    after = [fit(part, fewer, features=_features(table, True))]
    after += [fit(*one, features=_features(one[0], True)) for one in train[1:]]
    scores = [[one.confidences(of) for one, of in zip(all_of, test, strict=True)] for all_of in (before, after)]
    old, new = (merge(list(zip(test, values, strict=True))) for values in scores)
    return {
        "domain": table.domain,
        "others identical": all(a.tobytes() == b.tobytes() for a, b in zip(scores[0][1:], scores[1][1:], strict=True)),
        "decisions": len(old.starts) - 1,
        "changed": int(((old.domain != new.domain) | (old.place != new.place))[old.best()[old.best() >= 0]].sum()),
    }


def _features(table: Hypotheses, more: bool) -> FeatureSet:
    return extended(table) if more else PUBLISHED


def as_outcomes(kept: Mapping[str, Any]) -> Outcomes:
    return Outcomes(*(np.array(kept[name]) for name in Outcomes.__dataclass_fields__))


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All folds of one setting."""
    arms = {arm: pooled([as_outcomes(run["arms"][arm]) for run in runs]) for arm in runs[0]["arms"]}
    against = {arm: compared(arms[PRODUCT], came, seed=0) for arm, came in arms.items()}
    gains = {arm: -rows["semantic error"].difference for arm, rows in against.items()}
    return {
        "folds": len(runs),
        "requests": len(arms[PRODUCT].right),
        "arms": {arm: _row(came, against[arm]) for arm, came in arms.items()},
        "R3 against R2": {name: plain(row) for name, row in compared(arms["R2"], arms["R3"], seed=0).items()},
        "share of the ceiling's gain": {arm: round(gains[arm] / gains[CEILING], 3) for arm in RERANKERS}
        if gains[CEILING] > 0
        else None,
        "seconds": {
            arm: {key: float(np.median([run["seconds"][arm][key] for run in runs])) for key in took}
            for arm, took in runs[0]["seconds"].items()
        },
        "independence": {
            "others identical": all(run["independence"]["others identical"] for run in runs),
            "decisions": sum(run["independence"]["decisions"] for run in runs),
            "changed": sum(run["independence"]["changed"] for run in runs),
        },
    }


def _row(came: Outcomes, against: Mapping[str, Difference]) -> dict[str, Any]:
    return {
        **{name: round(value, 4) for name, value in figures(came).items()},
        "calibration floor": round(calibration_floor(came.confidence, seed=0), 4),
        "against the product": {name: plain(row) for name, row in against.items()},
    }


def as_table(result: Mapping[str, Any]) -> str:
    """For people: a Markdown table a setting, with a row for each arm."""
    return "\n\n".join(_setting(name, found) for name, found in result["settings"].items())


def _setting(name: str, found: Mapping[str, Any]) -> str:
    lines = [
        f"Readers: {name}. {found['requests']:,} requests in {found['folds']} folds:\n",
        "| arm | domain accuracy | interpretation error | SemER | against the product (95 %) | calibration error (floor) | "
        "Brier |",
        "|---|---|---|---|---|---|---|",
    ]
    for arm, row in found["arms"].items():
        change = row["against the product"]["semantic error"]
        low, high = (100 * end for end in change["relative interval"])
        relative = "" if arm == PRODUCT else f"{100 * change['relative']:+.1f} % ({low:+.1f} to {high:+.1f})"
        lines.append(
            f"| {arm} | {100 * row['domain accuracy']:.1f} | {100 * row['interpretation error']:.1f} | "
            f"{100 * row['semantic error']:.1f} | {relative} | {row['calibration error']:.3f} "
            f"({row['calibration floor']:.3f}) | {row['brier']:.3f} |"
        )
    shares, took, alone = found["share of the ceiling's gain"], found["seconds"][BEST], found["independence"]
    if shares:
        lines.append(
            f"\nOf the ceiling's gain in SemER: {', '.join(f'{arm} {share:.0%}' for arm, share in shares.items())}."
        )
    lines.append(
        f"\nAll domains' re-rankers ({BEST}) took {took['all']:.2f} s, the longest {took['longest']:.2f} s. One fitted again "
        f"from half its requests: other domains' scores {'identical' if alone['others identical'] else 'CHANGED'}, "
        f"{alone['changed']} of {alone['decisions']:,} decisions changed."
    )
    return "\n".join(lines)


def draw(runs: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Reliability of what went to each domain, before and after."""
    domains = sorted({domain for run in runs for domain in run["arms"][PRODUCT]["went to"] if domain})
    panels = {}
    for domain in domains:
        panels[domain] = {
            label: reliability(*_of_domain(runs, arm, domain)) for label, arm in (("product", PRODUCT), (BEST, BEST))
        }
    draw_reliability(panels, file)


def _of_domain(runs: Sequence[Mapping[str, Any]], arm: str, domain: str) -> tuple[Floats, Any]:
    kept = [run["arms"][arm] for run in runs]
    went = np.concatenate([np.array(one["went to"]) == domain for one in kept])
    confidence, right = (np.concatenate([np.array(one[name]) for one in kept]) for name in ("confidence", "right"))
    return confidence[went], right[went]


def run_file(job: Job, chosen: argparse.Namespace) -> Path:
    drawn_from = f"-made-up-{chosen.made_up}" if chosen.made_up else ""
    context = f"-{chosen.context}" if chosen.context else ""
    return Path(chosen.work / f"{job[0]}-{job[1]}{drawn_from}{context}.json")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.set_defaults(name="rerankers")
    options.add_argument("--data", type=Path, default=DATA / "understand" / "hwu64.jsonl", help="what was read")
    options.add_argument("--readers", type=Path, default=Path("/tmp/segue-readers"), help="hypotheses-ARM-FOLD.npz")
    options.add_argument("--made-up", type=int, default=0, help="requests a fold to draw instead")
    options.add_argument("--settings", nargs="+", default=list(SETTINGS))
    options.add_argument("--context", default="", help="key of requests' contexts")
    options.add_argument("--folds", nargs="+", type=int, default=list(FOLDS))
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--work", type=Path, default=Path("/tmp/segue-rerankers"), help="finished runs")
    options.add_argument("--out", type=Path, default=RESULTS, help="folder for the result")
    options.add_argument("--gather", action="store_true", help="only gather the runs that are finished")
    chosen = options.parse_args()
    jobs: list[Job] = [(setting, fold) for setting in chosen.settings for fold in chosen.folds]
    arms = {arm for setting in chosen.settings for arm in setting.split("+")}
    files = [reader_file(chosen.readers, arm, fold) for arm in sorted(arms) for fold in FOLDS]
    missing = [file for file in files if not file.exists()]
    if missing and not chosen.made_up and not chosen.gather:
        options.error(f"{missing[0]} is not there: run the benchmark of readers first, or pass --made-up 400")
    run_all(jobs, one_run, run_file, chosen)
    runs: dict[str, list[dict[str, Any]]] = {}
    for (setting, _), run in finished(jobs, run_file, chosen):
        runs.setdefault(setting, []).append(run)
    result = {"made up": chosen.made_up, "settings": {setting: summary(found) for setting, found in runs.items()}}
    print(as_table(result))
    file = save("rerankers", result, chosen.out)
    for setting, found in runs.items():
        draw(found, file.with_name(f"rerankers-{setting.replace(':', '-')}.png"))
    print(file)


if __name__ == "__main__":
    main()
