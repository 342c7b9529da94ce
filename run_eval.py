"""Evaluates models clean and attacked: python run_eval.py --models=name=RUN (see --help)."""

from robmednas_tf.cli.eval import run

if __name__ == "__main__":
    run()
