"""Runs the paper's whole comparison: python run_study.py --flagfile=configs/study_phantom.cfg."""

from robmednas_tf.cli.study import run

if __name__ == "__main__":
    run()
