"""The search for robust architectures: KerasTuner oracles, hypermodel and tuner."""
