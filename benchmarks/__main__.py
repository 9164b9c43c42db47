"""Run every benchmark, one after the other: `python -m benchmarks [--smoke]`. Each can be stopped and run again alone."""

import argparse
import subprocess
import sys

FULL: dict[str, list[str]] = {
    "benchmarks.speed.events": [],
    "benchmarks.speed.opening": [],
    "benchmarks.speed.million": [],
    "benchmarks.speed.understanding": [],
    "benchmarks.speed.positions": [],
    "benchmarks.quality.judged_search": [],
    "benchmarks.quality.off_policy": [],
    "benchmarks.quality.selection": [],
    "benchmarks.quality.policies": [],
    "benchmarks.quality.drift": [],
    "benchmarks.quality.ranker": [],
    "benchmarks.quality.untuned": [],
    "benchmarks.quality.readers": [],
    "benchmarks.quality.rerankers": [],
    "benchmarks.quality.contexts": [],
    "benchmarks.quality.rejection": [],
    "benchmarks.quality.long_documents": [],
    "benchmarks.quality.translation": [],
    "benchmarks.quality.algorithms": [],
    "benchmarks.quality.upgrades": [],
    "benchmarks.quality.linear_finetuning": [],
    "benchmarks.quality.slim": [],
    "benchmarks.quality.congruent": [],
    "benchmarks.quality.compatible": [],
    "benchmarks.quality.instructions": [],
    "benchmarks.quality.missions": [],
}
SMOKE: dict[str, list[str]] = {
    "benchmarks.speed.events": ["--seconds", "0.3", "--rounds", "1"],
    "benchmarks.speed.opening": ["--answers", "200", "--asked", "40", "--rounds", "1"],
    "benchmarks.speed.million": ["--documents", "3000", "--queries", "50", "--passes", "1"],
    "benchmarks.speed.understanding": ["--most", "400", "--requests", "20"],
    "benchmarks.speed.positions": ["--rounds", "2"],
    "benchmarks.quality.judged_search": ["--queries", "50"],
    "benchmarks.quality.off_policy": ["--rounds", "2", "--rows", "2000"],
    "benchmarks.quality.selection": [
        *("--collections", "mixed", "--people", "1", "--seeds", "1", "--interactions", "60", "--measured", "5"),
        *("--processes", "1"),
    ],
    "benchmarks.quality.policies": [
        *("--collections", "mixed", "--people", "1", "--seeds", "1", "--interactions", "60", "--measured", "5"),
        *("--policies", "greedy quotas", "Vowpal Wabbit, cover", "tuned fusion", "--processes", "1"),
    ],
    "benchmarks.quality.drift": [
        *("--collections", "msrd", "--warm", "60", "--later", "0", "20", "--seeds", "1", "--measured", "5"),
        *("--processes", "1"),
    ],
    "benchmarks.quality.untuned": [
        *("--collections", "cranfield", "--seeds", "1", "--interactions", "20", "--processes", "1"),
    ],
    "benchmarks.quality.readers": ["--arms", "light", "--folds", "1", "--processes", "1"],
    "benchmarks.quality.rerankers": [
        "--made-up",
        "40",
        "--settings",
        "light+encoder",
        "--folds",
        "1",
        "--context",
        "device",
        "--processes",
        "1",
    ],
    "benchmarks.quality.contexts": ["--dialogues", "400"],
    "benchmarks.quality.rejection": ["--arms", "light", "joint", "--requests", "10"],
    "benchmarks.quality.long_documents": [
        *(
            "--arms",
            "cut at 512",
            "FLOATER",
            "best chunk of 256",
            "--collections",
            "squad",
            "--paragraphs",
            "2",
            "--steps",
            "1",
            "--examined",
            "4",
            "--seeds",
            "1",
        ),
    ],
    "benchmarks.quality.translation": [
        *("--steps", "20", "--more", "10", "--width", "16", "--held-out", "20", "--seeds", "1"),
        *("--arms", "sinusoidal", "FLOATER, bounded, random times", "learned", "x-transformers, relative"),
    ],
    "benchmarks.quality.algorithms": [
        *("--tasks", "even pairs", "--arms", "sinusoidal", "randomised floater over rotary", "x-transformers T5"),
        *("--seeds", "1", "--steps", "0.01", "--texts", "1"),
    ],
    "benchmarks.quality.linear_finetuning": [
        *("--shots", "5", "--seeds", "1", "--steps", "3", "--pretraining", "3", "--tested", "50"),
    ],
    "benchmarks.quality.slim": [
        *("--films", "40", "--seeds", "1", "--super-steps", "2", "--steps", "1", "--population", "2"),
        *("--generations", "1", "--rounds", "1", "--processes", "1"),
    ],
    "benchmarks.quality.congruent": ["--seeds", "1", "--most", "60", "--epochs", "1", "--processes", "1"],
    "benchmarks.quality.compatible": [
        *("--tasks", "intents, other encoder", "characters", "--seeds", "1", "--most", "10", "--steps", "1"),
    ],
    "benchmarks.quality.instructions": [
        *("--houses", "3", "--updates", "0.001", "--most", "6", "--explored", "30", "--ways", "40", "--seeds", "1"),
        *("--arms", "generator", "behavioural cloning", "ours", "ours, self-supervised", "shuffled goals"),
    ],
    "benchmarks.quality.missions": [
        *("--numbers", "12", "--updates", "0.001", "--tested", "6", "--seeds", "1", "--practised", "24"),
    ],
    "benchmarks.quality.ranker": ["--sessions", "60", "--seeds", "1", "--measured", "5"],
    "benchmarks.quality.upgrades": [
        *("--collections", "msrd", "--seeds", "1", "--most", "400", "--queries", "20", "--items", "20"),
    ],
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="the smallest setting of each; results go to --out")
    options.add_argument("--out", default=None, help="folder for the results")
    chosen = options.parse_args()
    failed = []
    for module, arguments in (SMOKE if chosen.smoke else FULL).items():
        out = ["--out", chosen.out] if chosen.out else []
        print(f"\n{module} {' '.join(arguments)}", flush=True)
        if subprocess.run([sys.executable, "-m", module, *arguments, *out], check=False).returncode:
            failed.append(module)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
