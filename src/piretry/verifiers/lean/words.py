"""The tables of the text rules (refusal.py): words and symbols of Lean that a proof may or may not contain."""

from __future__ import annotations

import re


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Constants of the library that a term may name.
VOCABULARY = _split(
    "And And.intro And.left And.right Or Or.inl Or.inr Or.elim Not absurd Iff Iff.intro Iff.mp Iff.mpr True "
    "True.intro trivial False False.elim Eq Eq.refl Eq.symm Eq.trans Eq.subst rfl congrArg Exists Exists.intro "
    "Exists.elim Nat Nat.zero Nat.succ id"
)
#: Fields of a local name: ``h.left``, ``h.2.1``, ``h.symm.trans``, and constructors after a bare dot: ``.inl h``.
FIELDS = _split("left right mp mpr elim symm trans subst intro inl inr refl")
WORDS = _split("fun have let show from this match with nomatch nofun suffices Prop Type Sort _")
SYMBOLS = _split("λ ( ) ⟨ ⟩ , : := => ↦ → -> . ; @ | ▸ = ∧ ∨ ¬ ↔ ∀ ∃ ≠ ·")
BINDERS = {"fun": ("=>", "↦"), "λ": ("=>", "↦"), "∀": (",",), "∃": (",",), "|": ("=>", "↦")}
BINDERS |= {"have": (":", ":=", "from"), "let": (":", ":="), "suffices": (":",), "show": ()}

SORRY = re.compile(r"(?<![\w.'])(?:sorry|admit|stop)(?![\w'])|sorryAx")

#: Words that begin or change commands, declare what outlives a proof, or run code during elaboration.
COMMANDS = _split(
    "set_option unsafe opaque axiom macro macro_rules notation notation3 infix infixl infixr prefix postfix "
    "syntax declare_syntax_cat elab elab_rules term_elab command_elab instance attribute deriving initialize "
    "builtin_initialize run_cmd run_elab run_meta run_tac by_elab eval_expr local private export extern partial "
    "implicit_reducible simproc dsimproc simproc_decl unif_hint binder_predicate register_simp_attr "
    "register_option register_builtin_option declare_simp_like_tactic declare_config_elab add_decl_doc init_quot "
    "seal unseal irreducible_def irreducible module public meta prelude include_str evalExpr "
    "compile_inductive compile_def compile_decl dbg_trace dbgTrace idbg native_decide bv_decide bv_check "
    "unlock_limits with_weak_namespace leading_parser trailing_parser docs_to_verso grind_pattern tactic_alt "
    "tactic_extension tactic_name tactic_tag register_tactic_tag register_error_explanation recommended_spelling "
    "deprecated_module deprecated_syntax assert_not_exists assert_not_imported"
)
WORD = re.compile(rf"(?<![\w.'])(?:{'|'.join(sorted(COMMANDS))})(?![\w'!?])")
#: Refused wherever they stand, also inside names and strings.
ANYWHERE = re.compile(
    r"#|@\[|«|»|`|eval%|include_str|"
    r"(?<![A-Za-z])native|ofReduce|reduceBool|reduceNat|trustCompiler|implemented_by|csimp|skipKernelTC|debug\.|"
    r"\bunsafe|ptrAddr|lcProof|lcUnreachable|lcErased|lcAny|lcVoid|\bLean\b|\bElab\b|\bMeta\b|\bIO\b|\bSystem\b|"
    r"\bMacroM?\b|\bTacticM\b|\bEIO\b|\bBaseIO\b|\bMonadLift|initFn|--|/-|-/"
)
LIMITS = re.compile(r"(?<![\w.'])set_option[ \t]+(?:maxHeartbeats|maxRecDepth)[ \t]+[0-9]+(?=\s)")
IMPORT = re.compile(r"^[ \t]*import[ \t]+(\S+)[ \t]*$", re.M)
OPEN = re.compile(r"(?<![\w.'])open(?![\w'])(?P<rest>[^\n]*)")
OPENED = re.compile(r"(?:[ \t]+[A-Za-z_][\w'.]*)+(?:[ \t]+in(?:[ \t].*)?)?[ \t]*")
RENAMES = re.compile(r"(?<![\w.])(?:hiding|renaming|private)(?![\w'])")
COLUMN_0 = re.compile(r"^(?=\S)(\S+)", re.M)
#: What may begin a line of a file; every other command is refused even if no word above names it.
FILE_COMMANDS = _split(
    "theorem lemma def abbrev structure inductive namespace section end open variable universe noncomputable example "
    "set_option mutual nonrec protected omit include termination_by decreasing_by | · . ( ) } ] ⟩ where"
)
DECLARES = re.compile(
    r"(?<![\w.'])(?:theorem|lemma|def|abbrev|structure|inductive|class|example|namespace|section|end|variable|universe|"
    r"import|mutual|noncomputable|omit|include|termination_by|decreasing_by)(?![\w'])"
)
#: Lean's own words, none of which can stand in a proof term: those of Lean 4.35 without a library, found by trying
#: each word in its libraries as a name, and the most common ones of Init and Mathlib.
KEYWORDS = (
    _split(
        "by do if then else at in end open import theorem lemma def abbrev example structure inductive coinductive "
        "class where mutual namespace section variable variables universe universes noncomputable protected scoped "
        "calc return for while until repeat try catch finally unless break continue mut nonrec using deriving extends "
        "hiding renaming termination_by decreasing_by monotonicity_by partial_fixpoint coinductive_fixpoint "
        "inductive_fixpoint include omit show_term show_term_elab library_note axioms forall haveI letI "
        "let_delayed let_expr let_fun let_tmp match_expr no_index recall"
    )
    | COMMANDS
)
