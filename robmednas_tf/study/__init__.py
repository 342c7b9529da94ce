"""The paper's comparison as data: its plan, what it takes, and which steps are done."""
