"""Synthesises CT: python run_synthesize.py --model=RUN --input=MR --output=OUT (see --help)."""

from robmednas_tf.cli.synthesize import run

if __name__ == "__main__":
    run()
