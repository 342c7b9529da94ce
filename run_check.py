"""Examines a cohort of MR and CT: python run_check.py --data=FOLDER (see --help)."""

from robmednas_tf.cli.check import run

if __name__ == "__main__":
    run()
