"""Searches for a robust U-Net: python run_search.py --oracle bayesian (see --help)."""

from robmednas_tf.cli.search import run

if __name__ == "__main__":
    run()
