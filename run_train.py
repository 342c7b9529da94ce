"""Trains one U-Net: python run_train.py --architecture=baseline (see --help)."""

from robmednas_tf.cli.train import run

if __name__ == "__main__":
    run()
