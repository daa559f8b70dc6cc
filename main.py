"""Trains or evaluates a lifter: `repose train`, or with `--mode=eval` `repose eval`.

python main.py --config=quickstart --workdir=runs/quickstart
python main.py --config=quickstart --workdir=runs/quickstart --mode=eval
"""

import sys

from repose_jax import cli
from repose_jax.cli.arguments import Parser

if __name__ == "__main__":
    parser = Parser(prog="main.py", add_help=False)
    parser.add_argument("--mode", choices=("train", "eval"), default="train")
    args, rest = parser.parse_known_args()
    sys.exit(cli.main([args.mode, *rest]))
