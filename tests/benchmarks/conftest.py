import sys
from pathlib import Path

# At the end: the package under test is the installed one, not the one beside the benchmarks.
sys.path.append(str(Path(__file__).parents[2]))
