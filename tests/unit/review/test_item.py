"""The record of a review: what lists may show of it, and how its answer reaches the declared type."""

from roadworthy.review import Item, ItemStatus, signal_name

SECRET = "My card is 4111 1111"
ITEM = Item(
    id="review_01",
    environment="test",
    workflow="answer_ticket",
    reason="No model answered.",
    created_at=1_000,
    status=ItemStatus.ANSWERED,
    answered_by="maria",
    answered_at=61_000,
    note=f"{SECRET} noted",
    question={"messages": [{"role": "user", "text": SECRET}]},
    answer={"message": SECRET},
)


def test_a_list_shows_no_content():
    """Neither the question, nor the answer, nor the person's note is in it."""
    shown = ITEM.as_json()
    assert SECRET not in repr(shown)
    assert (shown["id"], shown["status"], shown["kind"]) == ("review_01", "answered", "answer")
    assert (shown["created_at"], shown["answered_at"]) == (
        "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:01:01.000Z",
    )


def test_whoever_opens_an_item_sees_everything():
    """With content, question, answer and note are there as they were given."""
    shown = ITEM.as_json(content=True)
    assert (shown["question"], shown["answer"], shown["note"]) == (ITEM.question, ITEM.answer, ITEM.note)


def test_an_answer_is_read_as_if_a_model_had_said_it():
    """Text stays text; everything else is JSON."""
    assert Item(id="r", environment="e", reason="", created_at=0, answer="yes").answer_text == "yes"
    assert ITEM.answer_text == f'{{"message": "{SECRET}"}}'


def test_each_item_has_a_signal_of_its_own():
    """A run that waits for two reviews cannot mistake one answer for the other."""
    assert signal_name("review_01") == "review:review_01"
