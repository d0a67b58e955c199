"""Tests of l2l_tf/meta_training/stopping.py."""

import os
import signal
import threading

from l2l_tf.meta_training import stopping


def test_a_signal_is_noted_once_and_then_ends_the_process_again():
    before = signal.getsignal(signal.SIGTERM)
    with stopping.noticed() as is_asked:
        assert not is_asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_asked()
        assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGTERM) == before


def test_without_a_signal_all_is_as_before():
    before = signal.getsignal(signal.SIGTERM)
    with stopping.noticed():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_there_is_none():
    found = []

    def note():
        with stopping.noticed() as is_asked:
            found.append(is_asked())

    thread = threading.Thread(target=note)
    thread.start()
    thread.join()
    assert found == [False]
