"""What every command shares: an interrupt is never lost."""

import subprocess
import sys

DROPPED = """
import os, signal, sys, time, weakref
from absl import flags
from robmednas_tf.cli import command

command._RAISED_AGAIN_S = 1

class Thing:
    pass

def main():
    thing = Thing()
    # Python drops what is raised in such a callback.
    reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
    del thing
    print("dropped", flush=True)
    time.sleep(20)
    print("not interrupted")

sys.argv = ["command"]
command.run(main, "", flags.FlagValues())
"""


def test_an_interrupt_that_python_drops_is_raised_again():
    done = subprocess.run(
        [sys.executable, "-c", DROPPED], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "dropped\n"
    assert done.stderr == "Interrupted. The same command goes on from here.\n"
    assert done.returncode == 130
