prelude
/-! The library of the mini prover: what a Lean kernel without a standard library needs for checking term proofs over
`→`, `And`, `Or`, `Not`, `Iff`, `True`, `False`, `Exists`, `Eq` and `Nat`.

Names, argument order and explicitness are those of Lean's own `Init`, so that a proof that is checked here can be
checked by a full Lean, too. There is no notation (`And p q`, not `p ∧ q`), and there are no tactics.
-/
set_option autoImplicit false
set_option genCtorIdx false  -- needs decidable equality of Nat
universe u v

/-! ## What Lean's own elaborator asks for: it looks these up by name -/

-- The code generator's types and the erased proof. They are unsafe, so the kernel lets no theorem use them.
unsafe axiom lcErased : Type
unsafe axiom lcAny : Type
unsafe axiom lcVoid : Type
unsafe axiom lcProof {p : Prop} : p

set_option bootstrap.inductiveCheckResultingUniverse false in
inductive PUnit : Sort u where
  | unit : PUnit
abbrev Unit : Type := PUnit
abbrev Unit.unit : Unit := PUnit.unit

abbrev id {α : Sort u} (a : α) : α := a
abbrev Function.const {α : Sort u} (β : Sort v) (a : α) : β → α := fun _ => a

/-! ## Equality, first, since the derived constructions of every later type use it -/

inductive Eq {α : Sort u} : α → α → Prop where
  | refl (a : α) : Eq a a

noncomputable abbrev Eq.ndrec.{w, z} {α : Sort z} {a : α} {motive : α → Sort w} (base : motive a) {b : α}
    (h : Eq a b) : motive b :=
  Eq.rec (motive := fun x _ => motive x) base h

inductive HEq {α : Sort u} : α → {β : Sort u} → β → Prop where
  | refl (a : α) : HEq a a

noncomputable def cast {α β : Sort u} (h : Eq α β) (a : α) : β := Eq.rec (motive := fun x _ => x) a h

theorem eq_of_heq {α : Sort u} {a b : α} (h : HEq a b) : Eq a b :=
  HEq.rec (motive := fun {β} y _ => (e : Eq α β) → Eq (cast e a) y) (fun _ => Eq.refl a) h (Eq.refl α)

theorem heq_of_eq {α : Sort u} {a b : α} (h : Eq a b) : HEq a b :=
  Eq.rec (motive := fun x _ => HEq a x) (HEq.refl a) h

theorem rfl {α : Sort u} {a : α} : Eq a a := Eq.refl a

theorem Eq.subst {α : Sort u} {motive : α → Prop} {a b : α} (h₁ : Eq a b) (h₂ : motive a) : motive b :=
  Eq.rec (motive := fun x _ => motive x) h₂ h₁

theorem Eq.symm {α : Sort u} {a b : α} (h : Eq a b) : Eq b a :=
  Eq.subst (motive := fun x => Eq x a) h (Eq.refl a)

theorem Eq.trans {α : Sort u} {a b c : α} (h₁ : Eq a b) (h₂ : Eq b c) : Eq a c :=
  Eq.subst (motive := fun x => Eq a x) h₂ h₁

theorem congrArg {α : Sort u} {β : Sort v} {a₁ a₂ : α} (f : α → β) (h : Eq a₁ a₂) : Eq (f a₁) (f a₂) :=
  Eq.subst (motive := fun x => Eq (f a₁) (f x)) h (Eq.refl (f a₁))

/-! ## Data: what numerals, labelled errors and pattern matching are made of -/

structure PProd (α : Sort u) (β : Sort v) : Type (max 1 u v) where
  fst : α
  snd : β

inductive Bool : Type where
  | false : Bool
  | true : Bool

-- What stands for a term that does not elaborate; whatever depends on it is no proof.
axiom sorryAx (α : Sort u) (synthetic : Bool) : α

inductive Nat : Type where
  | zero : Nat
  | succ (n : Nat) : Nat

class OfNat (α : Type u) (_ : Nat) where
  ofNat : α
instance instOfNatNat (n : Nat) : OfNat Nat n where
  ofNat := n

class CoeFun (α : Sort u) (γ : α → Sort v) where
  coe : (f : α) → γ f

inductive List (α : Type u) : Type u where
  | nil : List α
  | cons (head : α) (tail : List α) : List α

inductive String : Type where
  | mk (_ : Unit) : String

namespace Lean
inductive Name : Type where
  | anonymous : Name
  | str (pre : Name) (str : String)
  | num (pre : Name) (i : Nat)
end Lean

/-! ## Logic -/

inductive True : Prop where
  | intro : True
theorem trivial : True := True.intro

inductive False : Prop
noncomputable def False.elim {C : Sort u} (h : False) : C := False.rec (fun _ => C) h

def Not (a : Prop) : Prop := a → False
noncomputable def absurd {a : Prop} {b : Sort v} (h₁ : a) (h₂ : Not a) : b := False.elim (h₂ h₁)

structure And (a b : Prop) : Prop where
  intro ::
  left : a
  right : b

inductive Or (a b : Prop) : Prop where
  | inl (h : a) : Or a b
  | inr (h : b) : Or a b

theorem Or.elim {a b c : Prop} (h : Or a b) (left : a → c) (right : b → c) : c :=
  Or.rec (motive := fun _ => c) left right h

structure Iff (a b : Prop) : Prop where
  intro ::
  mp : a → b
  mpr : b → a

inductive Exists {α : Sort u} (p : α → Prop) : Prop where
  | intro (w : α) (h : p w) : Exists p

theorem Exists.elim {α : Sort u} {p : α → Prop} {b : Prop} (h₁ : Exists p) (h₂ : ∀ a : α, p a → b) : b :=
  Exists.rec (motive := fun _ => b) h₂ h₁
