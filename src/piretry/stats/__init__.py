"""Estimators and tests: pure functions of arrays (seeds, problems), without torch and without files.

The rules in words and formula, with their simulated coverage, are in docs/statistics.md.
"""

from piretry.stats.decomposition import Decomposition, Part, decomposition
from piretry.stats.equivalence import Tost, outside_p, tost
from piretry.stats.estimate import Estimate, Fit, fit, linearised_estimate, mean_estimate
from piretry.stats.mcnemar import McNemar, PairTable, mcnemar
from piretry.stats.multiple import Ordering, Required, holm, ordering
from piretry.stats.power import (
    Design,
    accuracy_components,
    assumed_components,
    complete,
    design,
    mcnemar_net_needed,
    minimum_detectable_effect,
    problems_needed,
    seeds_needed,
)
from piretry.stats.ratio import RatioEstimate, ratio_estimate
from piretry.stats.trend import IndexShare, Trend, trend_estimate
from piretry.stats.variance import (
    SeedVariance,
    VarianceComponents,
    assumed_seed_variance,
    components,
    mean_squares,
    pool_seed_variance,
)

__all__ = [
    "Decomposition",
    "Design",
    "Estimate",
    "Fit",
    "IndexShare",
    "McNemar",
    "Ordering",
    "PairTable",
    "Part",
    "RatioEstimate",
    "Required",
    "SeedVariance",
    "Tost",
    "Trend",
    "VarianceComponents",
    "accuracy_components",
    "assumed_components",
    "assumed_seed_variance",
    "complete",
    "components",
    "decomposition",
    "design",
    "fit",
    "holm",
    "linearised_estimate",
    "mcnemar",
    "mcnemar_net_needed",
    "mean_estimate",
    "mean_squares",
    "minimum_detectable_effect",
    "ordering",
    "outside_p",
    "pool_seed_variance",
    "problems_needed",
    "ratio_estimate",
    "seeds_needed",
    "tost",
    "trend_estimate",
]
