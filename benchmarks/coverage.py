"""Simulated coverage, size and power of every interval, test and verdict rule of piretry.

    python benchmarks/coverage.py --update docs/statistics.md

prints the tables as Markdown and, with --update, puts them between the markers of that file. About four
minutes on one core. The data are simulated verdicts (benchmarks/designs.py), not normal variables; the code
under test is the code that judges the claims.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from designs import Design, accuracy_spread, draw
from scipy import special

from piretry.claims.rules import EquivalenceEvidence, RatioEvidence, SignEvidence, ValueEvidence, judge, judge_family
from piretry.stats import (
    assumed_seed_variance,
    fit,
    holm,
    mcnemar,
    mean_estimate,
    pool_seed_variance,
    ratio_estimate,
    trend_estimate,
)
from piretry.stats.mcnemar import exact_p
from piretry.stats.variance import mean_squares

BEGIN, END = "<!-- simulations:begin -->", "<!-- simulations:end -->"
CHUNK = 500
KINDS = {"greedy": "greedy, n = 1", "mean4": "mean of n = 4"}


def percent(hits) -> str:
    return f"{100 * np.mean(hits):.1f}"


def covered(interval, truth):
    return (interval[0] <= truth) & (truth <= interval[1])


class Bootstrap:
    """Percentile intervals for many replicates with one set of resampling weights (they do not look at the data)."""

    def __init__(self, rng, n_seeds, n_problems, draws=400):
        self.seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), draws).astype(float)
        self.problems = rng.multinomial(n_problems, np.full(n_problems, 1 / n_problems), draws).astype(float)

    def means(self, values):
        size = values.shape[-1] * values.shape[-2]
        return np.einsum("rsb,bs->rb", values @ self.problems.T, self.seeds) / size

    def interval(self, values, level=0.95):
        return np.quantile(self.means(values), [(1 - level) / 2, (1 + level) / 2], axis=1)


def coverage_table(rng, replicates) -> list[str]:
    """Coverage of a gain's interval, by design."""
    lines = [
        "| scores | problem SD | P | S | SE (pp) | two-way t: 0 | 0.9 | 2.0 pp | 99%: 0 | 0.9 | 2.0 "
        "| bootstrap: 0 | 0.9 | 2.0 | problems only: 0 | 0.9 | 2.0 |",
        "|---|---|--:|--:|--:|" + "--:|" * 12,
    ]
    for kind in KINDS:
        for problem_sd in (1.0, 3.0):
            spread = 100 * accuracy_spread(Design(kind, problem_sd))
            for n_problems in (300, 500):
                for n_seeds in (1, 2, 3, 5):
                    boot = Bootstrap(rng, n_seeds, n_problems)
                    cells = {name: [] for name in ("t95", "t99", "boot", "problems")}
                    error = 0.0
                    for seed_sd in (0.0, 0.009, 0.02):
                        design = Design(kind, problem_sd, n_problems, n_seeds, seed_sd)
                        hits, error = _coverage(rng, replicates, design, boot)
                        for name in cells:
                            cells[name].append(percent(hits[name]))
                    row = [KINDS[kind], f"{spread:.0f} pp", n_problems, n_seeds, f"{100 * error:.1f}"]
                    row += [value for name in cells for value in cells[name]]
                    lines.append("| " + " | ".join(map(str, row)) + " |")
    return lines


def _coverage(rng, replicates, design, boot):
    hits = {name: [] for name in ("t95", "t99", "boot", "problems")}
    error = []
    for _ in range(max(replicates // CHUNK, 1)):
        base, (cell,), (conditional,) = draw(rng, CHUNK, design, [0.10])
        values = cell - base
        # with one seed the interval speaks of that seed
        truth = conditional[:, 0] if design.n_seeds == 1 else np.full(CHUNK, 0.10)
        fitted = fit(values)
        hits["t95"].append(covered(fitted.interval(0.95), truth))
        hits["t99"].append(covered(fitted.interval(0.99), truth))
        hits["boot"].append(covered(boot.interval(values), truth))
        ignored = fit(values.mean(1, keepdims=True)).interval(0.95)
        hits["problems"].append(covered(ignored, 0.10))
        error.append(fitted.se)
    return {name: np.concatenate(parts) for name, parts in hits.items()}, np.concatenate(error).mean()


def candidates_table(rng, replicates) -> list[str]:
    """Intervals that were considered, in designs that separate them."""
    names = list(_candidates(np.zeros((2, 2, 6)) + np.arange(6) + np.arange(2)[:, None], rng, 20))
    lines = [
        "| scores | S | seed SD | " + " | ".join(names) + " |",
        "|---|--:|--:|" + "--:|" * len(names),
    ]
    for kind in KINDS:
        for n_seeds in (2, 3, 5):
            for seed_sd in (0.0, 0.02):
                design = Design(kind, 3.0, 500, n_seeds, seed_sd)
                base, (cell,), _ = draw(rng, replicates, design, [0.10])
                found = _candidates(cell - base, rng, 200)
                cells = [percent(covered(found[name], 0.10)) for name in names]
                lines.append(f"| {KINDS[kind]} | {n_seeds} | {100 * seed_sd:.1f} | " + " | ".join(cells) + " |")
    return lines


def _candidates(values, rng, draws):
    """Interval by name for values (R, S, P)."""
    n_seeds, n_problems = values.shape[-2:]
    squares, cells = mean_squares(values), values.shape[-1] * values.shape[-2]
    total = squares.seeds + squares.problems - squares.errors
    cut = np.maximum(squares.seeds - squares.errors, 0) + squares.problems
    spread = squares.seeds**2 / (n_seeds - 1) + squares.problems**2 / (n_problems - 1)
    full = spread + squares.errors**2 / ((n_seeds - 1) * (n_problems - 1))

    def t(variance, df):
        half = special.stdtrit(np.maximum(df, 1), 0.975) * np.sqrt(np.maximum(variance, 0) / cells)
        return squares.grand - half, squares.grand + half

    boot = Bootstrap(rng, n_seeds, n_problems, draws)
    pivot = rng.chisquare(n_seeds - 1, draws) / (n_seeds - 1)
    fiducial = np.maximum(squares.seeds[:, None] / pivot - squares.errors[:, None], 0) + squares.problems[:, None]
    half = np.quantile(np.abs(rng.normal(size=draws)) * np.sqrt(fiducial / cells), 0.95, axis=1)
    rescaled = squares.grand[:, None] + _rescaled(values, boot)
    return {
        "**two-way t (used)**": fit(values, (-np.inf, np.inf)).interval(0.95),
        "Satterthwaite": t(total, total**2 / full),
        "Satterthwaite, v_seed >= 0": t(cut, cut**2 / spread),
        "generalized (fiducial)": (squares.grand - half, squares.grand + half),
        "seed means t": t(squares.seeds, n_seeds - 1.0),
        "problem means t": t(squares.problems, n_problems - 1.0),
        "bootstrap percentile": boot.interval(values),
        "bootstrap, S-1 correction": np.quantile(rescaled, [0.025, 0.975], axis=1),
        "bootstrap t": _bootstrap_t(values, boot, squares),
    }


def _rescaled(values, boot):
    """Bootstrap deviations with the seed part stretched by sqrt(S / (S - 1))."""
    n_seeds = values.shape[-2]
    grand = values.mean((-2, -1))[:, None]
    seed_part = np.einsum("rs,bs->rb", values.mean(-1), boot.seeds) / n_seeds - grand
    return boot.means(values) - grand + seed_part * (np.sqrt(n_seeds / (n_seeds - 1)) - 1)


def _bootstrap_t(values, boot, squares):
    n_seeds, n_problems = values.shape[-2:]
    low, high = [], []
    for index, array in enumerate(values):
        rows = array @ boot.problems.T / n_problems  # (S, B)
        columns = boot.seeds @ array / n_seeds  # (B, P)
        grand = (boot.seeds * rows.T).sum(1) / n_seeds
        ms_seed = n_problems * (boot.seeds * (rows.T - grand[:, None]) ** 2).sum(1) / (n_seeds - 1)
        ms_problem = n_seeds * (boot.problems * (columns - grand[:, None]) ** 2).sum(1) / (n_problems - 1)
        everything = (boot.seeds * (array**2 @ boot.problems.T).T).sum(1) - n_seeds * n_problems * grand**2
        rest = everything - (n_seeds - 1) * ms_seed - (n_problems - 1) * ms_problem
        ms_error = rest / ((n_seeds - 1) * (n_problems - 1))
        variance = np.maximum(ms_seed - ms_error, 0) + ms_problem
        ratio = (grand - squares.grand[index]) / np.sqrt(variance)
        tails = np.quantile(ratio, [0.025, 0.975])
        scale = np.sqrt(max(squares.seeds[index] - squares.errors[index], 0) + squares.problems[index])
        low.append(squares.grand[index] - tails[1] * scale)
        high.append(squares.grand[index] - tails[0] * scale)
    return np.array(low), np.array(high)


def rare_table(rng, replicates) -> list[str]:
    """Coverage when hardly any problem changes."""
    lines = [
        "| problems that change | S | exact or t (used) | t alone | mean half width (pp) |",
        "|--:|--:|--:|--:|--:|",
    ]
    for n_seeds in (1, 3):
        for expected in (0.5, 2, 4, 8, 15, 30):
            chance = expected / 500
            changed = rng.random((replicates, 1, 500)) < chance
            # a changed problem is won in all seeds with probability 0.8, else lost
            sign = np.where(rng.random((replicates, 1, 500)) < 0.8, 1.0, -1.0)
            values = np.repeat(changed * sign, n_seeds, axis=1)
            truth = chance * 0.6
            used, plain = fit(values).interval(0.95), fit(values, (-np.inf, np.inf)).interval(0.95)
            width = 50 * (used[1] - used[0]).mean()
            lines.append(
                f"| {expected:g} of 500 | {n_seeds} | {percent(covered(used, truth))} | "
                f"{percent(covered(plain, truth))} | {width:.2f} |"
            )
    return lines


def tost_table(rng, replicates) -> list[str]:
    """Chance that two cells are declared equivalent."""
    lines = [
        "| scores | S | seed SD | margin | true difference 0 | half the margin | at the margin (size) | 1.5 margins |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind in KINDS:
        for n_seeds in (1, 3):
            for seed_sd in (0.0, 0.009):
                for margin in (0.03, 0.05):
                    cells = []
                    for times in (0.0, 0.5, 1.0, 1.5):
                        design = Design(kind, 3.0, 500, n_seeds, seed_sd)
                        shift = margin * times
                        _, (first, second), _ = draw(rng, replicates, design, [0.10, 0.10 + shift])
                        fitted = fit(second - first)
                        p = np.maximum(fitted.p_greater(-margin), fitted.p_less(margin))
                        cells.append(percent(p < 0.05))
                    lines.append(
                        f"| {KINDS[kind]} | {n_seeds} | {100 * seed_sd:.1f} | {100 * margin:.0f} pp | "
                        + " | ".join(cells)
                        + " |"
                    )
    return lines


def mcnemar_table(rng, replicates) -> list[str]:
    """Rejection rates of the exact McNemar tests at 5%."""
    lines = [
        "| P | S | true gain | mean flips | one seed | combined | pooled pairs | two-way t |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for n_seeds in (1, 3):
        for gain in (0.0, 0.03, 0.05, 0.08):
            base, (cell,), _ = draw(rng, replicates, Design("greedy", 3.0, 500, n_seeds), [gain])
            single, combined, pooled, flips = [], [], [], []
            for before, after in zip(base, cell, strict=True):
                result = mcnemar(before, after)
                single.append(result.per_seed[0].p_value < 0.05)
                pooled.append(result.pooled.p_value < 0.05)
                combined.append(result.p_combined < 0.05)
                flips.append((result.per_seed[0].won + result.per_seed[0].lost) / 500)
            t = fit(cell - base).p_value(0.0) < 0.05
            rates = " | ".join(percent(x) for x in (single, combined, pooled, t))
            lines.append(f"| 500 | {n_seeds} | {100 * gain:.0f} pp | {percent(flips)}% | {rates} |")
    return lines


def mcnemar_exact_table() -> list[str]:
    """Exact size of McNemar's test: no simulation."""
    lines = ["| flips | size at 5% (exact) | net needed |", "|--:|--:|--:|"]
    for flips in (20, 30, 50, 75, 100):
        won = np.arange(flips + 1)
        rejected = np.array([exact_p(int(w), flips - int(w)) < 0.05 for w in won])
        mass = np.exp(special.gammaln(flips + 1) - special.gammaln(won + 1) - special.gammaln(flips - won + 1))
        size = (mass * 0.5**flips)[rejected].sum()
        least = int(won[rejected & (won > flips / 2)].min())
        lines.append(f"| {flips} of 500 | {100 * size:.2f} | {(2 * least - flips) / 5:.1f} pp |")
    return lines


def pooled_table(rng, replicates) -> list[str]:
    """Eight cells of one family: seeds' own variance against the one pooled over the cells."""
    lines = [
        "| scores | S | seed SD (pp) of the 8 cells | variance | 95% covers, mean | worst cell | half width (pp) "
        "| pool refused | any false, no correction | any false, Holm | found, Holm (8 pp) |",
        "|---|--:|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    spreads = {"0": [0.0] * 8, "0.9": [0.009] * 8, "2.0": [0.02] * 8, "0.5 x 4, 1.5 x 4": [0.005] * 4 + [0.015] * 4}
    for kind in KINDS:
        for n_seeds in (1, 2, 3, 5) if kind == "mean4" else (3,):
            for label, seed_sds in spreads.items():
                rows = _pooled(rng, replicates, Design(kind, 3.0, 500, n_seeds), seed_sds)
                lines += [f"| {KINDS[kind]} | {n_seeds} | {label} | {name} | {row} |" for name, row in rows.items()]
    return lines


def _pooled(rng, replicates, design, seed_sds):
    """Half of the cells gain nothing, half 8 pp; one seed takes its pool from eight other cells with three seeds."""
    gains = [0.0, 0.08] * 4
    names = ("own", "pooled", "pooled or own") if design.n_seeds > 1 else ("pooled",)
    p, hits, width = ({name: [] for name in names} for _ in range(3))
    refused = []
    null = np.array([gain == 0 for gain in gains])
    for _ in range(replicates):
        values = _family(rng, design, gains, seed_sds)
        sources = values if design.n_seeds > 1 else _family(rng, design.but(n_seeds=3), gains, seed_sds)
        pool = pool_seed_variance(sources)
        refused.append(not pool.usable)
        for name in names:
            used = {"own": None, "pooled": pool, "pooled or own": pool if pool.usable else None}[name]
            fitted = fit(np.stack(values), seed_variance=used)
            interval = fitted.interval(0.95)
            p[name].append(fitted.p_value(0.0))
            hits[name].append(covered(interval, np.array(gains)))
            width[name].append((interval[1] - interval[0]).mean() / 2)
    rows = {}
    for name in names:
        values, adjusted = np.array(p[name]), np.array([holm(row.tolist()) for row in p[name]])
        by_cell = np.mean(hits[name], axis=0)
        rows[name] = " | ".join(
            (
                percent(by_cell), percent(by_cell.min()), f"{100 * np.mean(width[name]):.1f}",
                percent(refused) if name == "pooled" else "-",
                percent((values[:, null] < 0.05).any(1)), percent((adjusted[:, null] < 0.05).any(1)),
                percent(adjusted[:, ~null] < 0.05),
            )
        )  # fmt: skip
    return rows


def _family(rng, design, gains, seed_sds):
    """Gains (S, P) of cells that share base and problems; cells that share their seed SD are drawn together."""
    state = rng.bit_generator.state
    found = [None] * len(gains)
    for seed_sd in dict.fromkeys(seed_sds):
        rng.bit_generator.state = state  # the same problems and base for every group
        base, cells, _ = draw(rng, 1, design.but(seed_sd=seed_sd), gains)
        for index, cell in enumerate(cells):
            if seed_sds[index] == seed_sd:
                found[index] = (cell - base)[0]
    return found


def holm_table(rng, replicates) -> list[str]:
    """Chance of at least one false rejection among eight gains of 0 that share their base."""
    lines = [
        "| scores | S | seed SD | variance | any false, no correction | any false, Holm |",
        "|---|--:|--:|---|--:|--:|",
    ]
    for kind in KINDS:
        for n_seeds in (3, 5):
            for seed_sd in (0.0, 0.009, 0.02):
                own, pooled = [], []
                design = Design(kind, 3.0, 500, n_seeds, seed_sd)
                for _ in range(replicates):
                    base, cells, _ = draw(rng, 1, design, [0.0] * 8)
                    values = np.stack([(cell - base)[0] for cell in cells])
                    own.append(fit(values).p_value(0.0))
                    pooled.append(fit(values, seed_variance=pool_seed_variance(list(values))).p_value(0.0))
                for name, p in (("own", own), ("pooled", pooled)):
                    adjusted = np.array([holm(row.tolist()) for row in p])
                    lines.append(
                        f"| {KINDS[kind]} | {n_seeds} | {100 * seed_sd:.1f} | {name} | "
                        f"{percent((np.array(p) < 0.05).any(1))} | {percent((adjusted < 0.05).any(1))} |"
                    )
    return lines


def ratio_table(rng, replicates) -> list[str]:
    """Fieller's set against the percentile bootstrap, with the verdict on '7x within a factor 2'."""
    lines = [
        "| scores | S | true gains (pp) | true ratio | Fieller covers | bootstrap covers | bounded | "
        "reproduced | not reproduced | inconclusive |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, n_seeds in (("greedy", 3), ("mean4", 3), ("mean4", 5)):
        for top, bottom in ((0.10, 0.05), (0.10, 0.014), (0.10, 0.0), (0.0, 0.0)):
            design = Design(kind, 3.0, 500, n_seeds, 0.009)
            base, (first, second), _ = draw(rng, replicates, design, [top, bottom])
            truth = top / bottom if bottom else None
            covers, boots, bounded, verdicts = [], [], [], []
            for index in range(replicates):
                upper, lower = first[index] - base[index], second[index] - base[index]
                ratio = ratio_estimate(upper, lower, bootstrap=200, seed=index)
                difference = mean_estimate(upper - lower, bootstrap=0)
                bounded.append(ratio.kind == "interval")
                verdicts.append(judge([RatioEvidence("ratio", ratio, difference, 7.0, 2.0)], "paper").verdict)
                if truth is not None:
                    covers.append(ratio.covers(truth))
                    low, high = ratio.bootstrap_low, ratio.bootstrap_high
                    boots.append((low is None or low <= truth) and (high is None or truth <= high))
            rates = [percent(covers), percent(boots)] if truth is not None else ["-", "-"]
            shares = [percent([v == name for v in verdicts]) for name in PAPER]
            lines.append(
                f"| {KINDS[kind]} | {n_seeds} | {100 * top:.0f} / {100 * bottom:.1f} | "
                f"{'none' if truth is None else f'{truth:.1f}'} | {' | '.join(rates)} | {percent(bounded)} | "
                + " | ".join(shares)
                + " |"
            )
    return lines


PAPER = ("reproduced", "not reproduced", "inconclusive")
DIRECTION = ("same direction", "opposite direction")


def verdict_table(rng, replicates) -> list[str]:
    """How often each verdict falls, by the true gain: published +10 pp, tolerance 4.5 pp, seed SD 0.9 pp."""
    lines = [
        "| scores | S | variance | true gain | reproduced | not reproduced | inconclusive | same | opposite |",
        "|---|--:|---|--:|--:|--:|--:|--:|--:|",
    ]
    for kind, n_seeds, name in (
        ("greedy", 1, "one seed"),
        ("greedy", 3, "own"),
        ("greedy", 3, "pooled"),
        ("mean4", 3, "own"),
        ("mean4", 3, "pooled"),
    ):
        for gain in (0.10, 0.055, 0.01, -0.02):
            paper, direction = [], []
            for _ in range(replicates):
                base, cells, _ = draw(rng, 1, Design(kind, 3.0, 500, n_seeds, 0.009), [gain] * 8)
                arrays = [(cell - base)[0] for cell in cells]
                variance = pool_seed_variance(arrays) if name == "pooled" else None
                for array in arrays:
                    estimate = mean_estimate(array, bootstrap=0, seed_variance=variance)
                    evidence = [ValueEvidence("gain", estimate, 10.0, 4.5)]
                    paper.append(judge(evidence, "paper").verdict)
                    direction.append(judge(evidence, "direction").verdict)
            shares = [percent([v == verdict for v in paper]) for verdict in PAPER]
            shares += [percent([v == verdict for v in direction]) for verdict in DIRECTION]
            lines.append(f"| {KINDS[kind]} | {n_seeds} | {name} | {100 * gain:+.1f} pp | " + " | ".join(shares) + " |")
    return lines


def ordering_table(rng, replicates) -> list[str]:
    """Verdicts on 'K=3 beats K=1 and K=5' and on the four-prompt equivalence, with ties."""
    lines = ["| claim | truth | S | holds | broken | inconclusive |", "|---|---|--:|--:|--:|--:|"]
    orders = {
        "all equal": [0.10, 0.10, 0.10],
        "K=3 ties with K=5, beats K=1 by 6 pp": [0.04, 0.10, 0.10],
        "K=3 beats both by 6 pp": [0.04, 0.10, 0.04],
        "K=5 beats K=3 by 6 pp": [0.04, 0.04, 0.10],
    }
    for label, gains in orders.items():
        for n_seeds in (1, 3):
            design = Design("greedy", 3.0, 500, n_seeds, 0.009 if n_seeds > 1 else 0.0)
            _, (k1, k3, k5), _ = draw(rng, replicates, design, gains)
            verdicts = []
            for one, three, five in zip(k1, k3, k5, strict=True):
                evidence = [
                    SignEvidence("K3 - K1", mean_estimate(three - one, bootstrap=0)),
                    SignEvidence("K3 - K5", mean_estimate(three - five, bootstrap=0)),
                ]
                verdicts.append(judge(evidence, "paper").verdict)
            lines.append(f"| K=3 is best | {label} | {n_seeds} | {_shares(verdicts)} |")
    prompts = {
        "all equal": [0.10] * 4,
        "one is 5 pp better": [0.10, 0.10, 0.10, 0.15],
        "one is 9 pp better": [0.10, 0.10, 0.10, 0.19],
    }
    for label, gains in prompts.items():
        for name in ("own", "pooled"):
            base, cells, _ = draw(rng, replicates, Design("mean4", 3.0, 500, 3, 0.009), gains)
            verdicts = []
            for index in range(replicates):
                arrays = [cell[index] - base[index] for cell in cells]
                variance = pool_seed_variance(arrays).times(2) if name == "pooled" else None
                pairs = {
                    f"{i}-{j}": mean_estimate(arrays[i] - arrays[j], bootstrap=0, seed_variance=variance)
                    for i in range(4)
                    for j in range(i)
                }
                verdicts.append(judge([EquivalenceEvidence("prompts", pairs, 5.0)], "paper").verdict)
            lines.append(f"| four prompts within 5 pp, n = 4, {name} | {label} | 3 | {_shares(verdicts)} |")
    return lines


def _shares(verdicts) -> str:
    return " | ".join(percent([v == name for v in verdicts]) for name in PAPER)


def control_table(rng, replicates) -> list[str]:
    """Negative controls: how often the 95% interval misses 0."""
    lines = [
        "| control | scores | seeds | seed SD | interval misses 0 | within 5 pp (TOST) |",
        "|---|---|---|--:|--:|--:|",
    ]
    assumed = assumed_seed_variance(0.009).times(2)
    for kind in KINDS:
        for seed_sd in (0.0, 0.009):
            for label, n_seeds, variance in (
                ("one against one", 1, None),
                ("one against one, seed SD of 0.9 pp added", 1, assumed),
                ("three against three", 3, None),
            ):
                design = Design(kind, 3.0, 500, n_seeds, seed_sd)
                _, (first, second), _ = draw(rng, replicates, design, [0.10, 0.10])
                fitted = fit(first - second, seed_variance=variance)
                tost = np.maximum(fitted.p_greater(-0.05), fitted.p_less(0.05)) < 0.05
                lines.append(
                    f"| A/A: one cell, other seeds | {KINDS[kind]} | {label} | {100 * seed_sd:.1f} | "
                    f"{percent(fitted.p_value(0.0) < 0.05)} | {percent(tost)} |"
                )
    for n_seeds in (1, 3):
        both = _same_state_twice(rng, replicates, n_seeds)
        fitted = fit(both)
        tost = np.maximum(fitted.p_greater(-0.05), fitted.p_less(0.05)) < 0.05
        lines.append(
            f"| null: one state sampled twice | {KINDS['mean4']} | {n_seeds} | - | "
            f"{percent(fitted.p_value(0.0) < 0.05)} | {percent(tost)} |"
        )
    return lines


def _same_state_twice(rng, replicates, n_seeds):
    """Differences of two evaluations (mean of four samples) of one untrained state."""
    chance = special.expit(rng.normal(-0.6, 3.0, (replicates, 1, 500)))
    size = (replicates, n_seeds, 500)
    return (rng.binomial(4, np.broadcast_to(chance, size)) - rng.binomial(4, np.broadcast_to(chance, size))) / 4.0


def trend_table(rng, replicates) -> list[str]:
    """Coverage of the slope of 'success does not repeat' over the retry index."""
    lines = [
        "| training problems | S | seed SD (logit) | mean rows | slope covers | share at j=1 covers | at j=5 |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for n_problems, n_seeds, seed_sd in ((300, 1, 0.0), (300, 3, 0.0), (300, 3, 0.2), (1000, 3, 0.2)):
        truth_slope, truth_shares = _trend_truth(seed_sd)
        hits, first, last, rows = [], [], [], []
        for _ in range(replicates):
            seeds, problems, index, failed = _retries(rng, n_problems, n_seeds, seed_sd)
            trend = trend_estimate(seeds, problems, index, failed)
            rows.append(len(index))
            hits.append(trend.slope is not None and trend.slope.low <= truth_slope <= trend.slope.high)
            for share in trend.shares:
                if share.index in (1, 5):
                    target = first if share.index == 1 else last
                    target.append(share.low <= truth_shares[share.index] <= share.high)
        lines.append(
            f"| {n_problems} | {n_seeds} | {seed_sd} | {np.mean(rows):.0f} | {percent(hits)} | {percent(first)} | "
            f"{percent(last)} |"
        )
    return lines


def _retries(rng, n_problems, n_seeds, seed_sd):
    """Rows of retained retries: a problem fails first, then up to five retries, the first success is kept."""
    chance = special.expit(
        rng.normal(-0.6, 2.0, n_problems)
        + rng.normal(0, seed_sd, (n_seeds, 1))
        + rng.normal(0, 0.5, (n_seeds, n_problems))
    )
    success = rng.random((5, n_seeds, n_problems)) < chance
    kept = (rng.random(chance.shape) > chance) & success.any(0)
    where = np.nonzero(kept)
    return where[0], where[1], success.argmax(0)[where] + 1, (rng.random(chance.shape) > chance)[where].astype(float)


def _trend_truth(seed_sd):
    rng = np.random.default_rng(11)
    _, _, index, failed = _retries(rng, 500, 4000, seed_sd) if seed_sd else _retries(rng, 2_000_000, 1, 0.0)
    shares = {j: float(failed[index == j].mean()) for j in range(1, 6)}
    centred = index - index.mean()
    return float((centred * failed).sum() / (centred**2).sum()), shares


def family_table(rng, replicates) -> list[str]:
    """Wrong verdicts in a family of eight claims on published gains of +10 pp, seed SD 0.9 pp."""
    lines = ["| truth | variance | any wrongly 'reproduced' | any wrongly 'not reproduced' |", "|---|---|--:|--:|"]
    for label, gain in (("all gains 0", 0.0), ("all gains +10 pp", 0.10), ("all gains +5.5 pp", 0.055)):
        for name in ("own", "pooled"):
            confirmed, refuted = [], []
            for _ in range(replicates):
                base, cells, _ = draw(rng, 1, Design("mean4", 3.0, 500, 3, 0.009), [gain] * 8)
                arrays = [(cell - base)[0] for cell in cells]
                variance = pool_seed_variance(arrays) if name == "pooled" else None
                estimates = [mean_estimate(array, bootstrap=0, seed_variance=variance) for array in arrays]
                claims = {str(i): [ValueEvidence("gain", e, 10.0, 4.5)] for i, e in enumerate(estimates)}
                verdicts = [decision.verdict for decision in judge_family(claims, "paper").values()]
                confirmed.append("reproduced" in verdicts)
                refuted.append("not reproduced" in verdicts)
            wrong = (percent(confirmed), "-") if gain == 0 else ("-", percent(refuted))
            lines.append(f"| {label} | {name} | {wrong[0]} | {wrong[1]} |")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260, help="seed of all simulations")
    parser.add_argument("--replicates", type=int, default=4000, help="replicates a design in the coverage table")
    parser.add_argument("--update", type=Path, help="Markdown file whose marked block is replaced")
    arguments = parser.parse_args()
    full = arguments.replicates
    tables = {
        "Coverage of a gain's interval": lambda rng: coverage_table(rng, full),
        "Intervals that were considered": lambda rng: candidates_table(rng, full // 2),
        "Seed variance pooled over cells": lambda rng: pooled_table(rng, full // 16),
        "Hardly any problem changes": lambda rng: rare_table(rng, full),
        "Equivalence (TOST at 5%)": lambda rng: tost_table(rng, full // 2),
        "Exact McNemar, simulated": lambda rng: mcnemar_table(rng, full // 2),
        "Exact McNemar, computed": lambda rng: mcnemar_exact_table(),
        "Holm over eight gains": lambda rng: holm_table(rng, full // 8),
        "Ratio of gains": lambda rng: ratio_table(rng, full // 16),
        "Verdicts on a published gain": lambda rng: verdict_table(rng, full // 64),
        "Verdicts on orderings and equivalence": lambda rng: ordering_table(rng, full // 8),
        "A family of verdicts": lambda rng: family_table(rng, full // 32),
        "Negative controls": lambda rng: control_table(rng, full // 2),
        "Trend over the retry index": lambda rng: trend_table(rng, full // 8),
    }
    lines = [f"Command: `python benchmarks/coverage.py --seed {arguments.seed} --replicates {arguments.replicates}`."]
    for number, (title, table) in enumerate(tables.items()):
        start = time.perf_counter()
        lines += ["", f"### {title}", "", *table(np.random.default_rng([arguments.seed, number]))]
        print(f"{time.perf_counter() - start:6.1f} s  {title}", file=sys.stderr, flush=True)
    text = "\n".join(lines)
    print(text)
    if arguments.update:
        _replace_block(arguments.update, text)
    return 0


def _replace_block(path: Path, text: str) -> None:
    page = path.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise SystemExit(f"{path} needs exactly one {BEGIN} and one {END}")
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    scratch = path.with_suffix(".tmp")
    scratch.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")
    scratch.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
