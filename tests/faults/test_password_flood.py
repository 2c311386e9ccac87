from tests.faults.password_flood import guess


def test_a_flood_of_guesses_gets_401_then_429_and_the_honest_sender_his_answers(tmp_path):
    """At full length, and with the sender's p99 held to 10 % more, in `make faults`. Fails without the
    throttle: every guess is then answered 401. The honest sender fails when it gets anything but 200."""
    found = guess(tmp_path, 1)
    assert set(found.statuses) == {401, 429}
    # A burst of 10, then one a second.
    assert 10 <= found.statuses[401] <= 10 + found.seconds + 2
    assert found.statuses[429] > found.statuses[401]
    assert found.during
