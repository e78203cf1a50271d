"""Run a campaign: so many of each command, in a random order, and a table at the end.

In:  on the command line a seed, a number and the commands; by default all of them.
Out: a table on standard output, a row per command; the exit code is 1 if anything was found.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click
from fuzz.campaigns.campaign import Campaign
from fuzz.campaigns.commands import CASES, Case, prepare
from fuzz.campaigns.table import Row, table

TOLD = 25  # kills between two tables on stderr


def shares(kills: int, cases: Sequence[Case]) -> list[int]:
    """How many kills of each command, by its share."""
    total = sum(case.share for case in cases)
    found = [int(kills * case.share / total) for case in cases]
    for at in range(kills - sum(found)):
        found[at % len(found)] += 1
    return found


def asked_for(what: str) -> argparse.Namespace:
    """The options of a campaign."""
    parser = argparse.ArgumentParser()
    parser.add_argument(f"--{what}", dest="number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names of commands, by commas")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after these")
    return parser.parse_args()


def main(what: str, kind: type[Campaign], cases: Sequence[Case] = CASES) -> None:
    """Run a campaign and print its table."""
    asked = asked_for(what)
    only = [name for name in asked.only.split(",") if name]
    cases = [case for case in cases if not only or case.name in only]
    jobs = [
        (case, number)
        for case, some in zip(cases, shares(asked.number, cases), strict=True)
        for number in range(some)
    ]
    random.Random(asked.seed).shuffle(jobs)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    begun = time.monotonic()
    campaign = kind(folder, asked.seed)
    try:
        prepare(folder)
        for at, (case, number) in enumerate(jobs):
            if time.monotonic() - begun > 60 * asked.minutes:
                break
            if case not in campaign.known:
                campaign.rows[case] = Row()
                campaign.learn(case)
            campaign.once(case, number)
            if at % TOLD == TOLD - 1:
                sys.stderr.write(f"{at + 1} of {len(jobs)}\n{table(campaign.rows)}\n")
    finally:
        campaign.end()
        shutil.rmtree(folder, ignore_errors=True)
        click.echo(table(campaign.rows))
        click.echo(json.dumps({"seed": asked.seed, "seconds": round(time.monotonic() - begun)}))
    sys.exit(any(row.found for row in campaign.rows.values()))
