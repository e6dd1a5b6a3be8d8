"""The mini prover's theorems: small intuitionistic sequents, their proofs found by search, splits and skeletons.

The fragment needs no library beyond And, Or, Eq and the few lemmas that `proof.py` cites, so that a Lean kernel with
a prelude of some thirty lines can check every proof.
"""
