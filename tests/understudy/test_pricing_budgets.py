"""Budgets: worked examples, and a machine that does anything in any order beside a ledger kept in fractions."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from understudy.pricing.budgets import Budget, Standing

D = Decimal


def test_a_reservation_holds_and_a_settlement_books_exactly():
    budget = Budget(D("1"))
    assert budget.reserve("a", D("0.6"))
    assert not budget.reserve("b", D("0.5"))
    assert budget.settle("a", D("0.10000000000000000000000000001")) == Standing(
        D("1"), D("0.10000000000000000000000000001"), D(0)
    )
    assert budget.reserve("b", D("0.5"))


def test_a_budget_for_one_lets_one_through():
    budget = Budget(D("1"))
    assert [budget.reserve(str(n), D("1")) for n in range(100)].count(True) == 1


def test_the_last_of_a_budget_can_be_spent_by_one_alone():
    budget = Budget(D("1"), spent=D("0.9"))
    assert budget.reserve("a", D("0.5"))
    assert not budget.reserve("b", D("0.01"))
    assert budget.settle("a", D("0.3")) == Standing(D("1"), D("1.2"), D(0))
    assert not budget.reserve("b", D(0))


def test_another_limit_leaves_what_is_spent_and_held():
    budget = Budget(D("1"), spent=D("0.5"))
    budget.hold("job", D("3"))
    budget.allow(D("5"))
    assert budget.standing == Standing(D("5"), D("0.5"), D("3"))
    assert budget.standing.left == D("1.5")


def test_an_unknown_cost_keeps_its_reservation_and_a_release_does_not():
    budget = Budget(D("1"))
    assert budget.reserve("a", D("0.25"))
    assert budget.settle("a", None).spent == D("0.25")
    assert budget.reserve("b", D("0.25"))
    assert budget.release("b") == Standing(D("1"), D("0.25"), D(0))


def test_parts_charged_on_the_way_are_not_booked_twice():
    budget = Budget(D("1"))
    assert budget.reserve("live", D("0.3"))
    assert budget.charge("live", D("0.1")) == Standing(D("1"), D("0.1"), D("0.2"))
    assert budget.charge("live", D("0.4")) == Standing(D("1"), D("0.5"), D("0"))
    assert budget.settle("live", D("0.55")) == Standing(D("1"), D("0.55"), D("0"))


def test_a_used_up_budget_refuses_even_what_is_free_and_one_without_limit_nothing():
    budget = Budget(D("1"), spent=D("1.5"))
    assert budget.standing.left == 0
    assert budget.standing.is_used_up
    assert not budget.reserve("a", D(0))
    assert Budget().reserve("a", D("1e6"))
    assert Budget().standing.left is None
    assert Budget(D("1"), spent=D("1.5")).reset() == Standing(D("1"), D(0), D(0))


@pytest.mark.parametrize("amount", ["-0.1", "NaN", "Infinity"])
def test_no_amount_is_negative_or_no_number(amount):
    for act in (Budget, lambda bad: Budget().reserve("a", bad), lambda bad: Budget().charge("a", bad)):
        with pytest.raises(ValueError, match="not negative"):
            act(D(amount))


amounts = st.integers(0, 400).map(lambda n: D(n).scaleb(-7)) | st.decimals(0, 2, places=12)
ids = st.sampled_from(["a", "b", "c"])


class BudgetMachine(RuleBasedStateMachine):
    """The budget beside a ledger of every entry, added up anew each time."""

    def __init__(self):
        super().__init__()
        self.budget = Budget(D(3))
        self.entries: list[tuple[str, Fraction]] = []
        self.held: dict[str, Fraction] = {}
        self.open: dict[str, Fraction] = {}

    def spent(self) -> Fraction:
        return sum((amount for _, amount in self.entries), Fraction(0))

    @rule(id=ids, amount=amounts)
    def reserve(self, id, amount):
        others = sum((held for other, held in self.held.items() if other != id), Fraction(0))
        room = 3 - self.spent() - others
        before = self.held.get(id)
        fits = Fraction(amount) <= max(room, before or 0) or others == 0
        open_at_all = before is not None or room > 0
        assert self.budget.reserve(id, amount) == (fits and open_at_all)
        if fits and open_at_all:
            self.held[id] = Fraction(amount)

    @rule(id=ids, amount=amounts)
    def charge(self, id, amount):
        self.budget.charge(id, amount)
        self.entries.append((id, Fraction(amount)))
        self.open[id] = self.open.get(id, Fraction(0)) + Fraction(amount)
        if id in self.held:
            self.held[id] = max(Fraction(0), self.held[id] - Fraction(amount))

    @rule(id=ids, more=amounts)
    def settle(self, id, more):
        charged = self.open.pop(id, Fraction(0))
        cost = D(charged.numerator) / D(charged.denominator) + more
        self.budget.settle(id, cost)
        self.entries.append((id, Fraction(cost) - charged))
        self.held.pop(id, None)

    @rule(id=ids)
    def settle_unknown(self, id):
        self.budget.settle(id, None)
        self.entries.append((id, self.held.pop(id, Fraction(0))))
        self.open.pop(id, None)

    @rule(id=ids)
    def release(self, id):
        self.budget.release(id)
        self.held.pop(id, None)
        self.open.pop(id, None)

    @rule()
    def reset(self):
        self.budget.reset()
        self.entries.clear()
        self.open.clear()

    @invariant()
    def totals_are_exact(self):
        standing = self.budget.standing
        assert Fraction(standing.spent) == self.spent()
        assert Fraction(standing.held) == sum(self.held.values(), Fraction(0))
        assert {id: Fraction(held) for id, held in self.budget.reserved.items()} == self.held
        assert standing.left is not None
        assert standing.left >= 0


TestBudgetMachine = BudgetMachine.TestCase
