"""Run every benchmark, one after the other: `python -m benchmarks [--smoke]`. Each can be stopped and run again alone."""

import argparse
import subprocess
import sys

FULL: dict[str, list[str]] = {
    "benchmarks.speed.events": [],
    "benchmarks.speed.million": [],
    "benchmarks.quality.judged_search": [],
}
SMOKE: dict[str, list[str]] = {
    "benchmarks.speed.events": ["--seconds", "0.3", "--rounds", "1"],
    "benchmarks.speed.million": ["--documents", "3000", "--queries", "50", "--passes", "1"],
    "benchmarks.quality.judged_search": ["--queries", "50"],
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
