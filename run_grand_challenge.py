"""Runs one Grand Challenge case: python run_grand_challenge.py --model=MODEL (see --help)."""

from robmednas_tf.cli.grand_challenge import run

if __name__ == "__main__":
    run()
