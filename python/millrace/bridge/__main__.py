"""python -m millrace.bridge ENV_ID: a Gymnasium environment as a millrace server."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import zmq

from ..version import __version__
from . import wire
from .environment_batch import MAX_ENVS
from .serving import serve


def _json_map(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('not a JSON object, as in \'{"g": 9.81}\'')
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_ENVS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_ENVS}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m millrace.bridge",
        description="Serves a Gymnasium environment with Box observations and actions to millrace.",
    )
    parser.add_argument("env_id", metavar="ENV_ID", help='as in "Pendulum-v1" or "package:Name-v0"')
    parser.add_argument("--num-envs", type=_count, default=1, metavar="N")
    parser.add_argument("--bind", default=wire.DEFAULT_ENDPOINT, metavar="ENDPOINT")
    parser.add_argument("--kwargs", type=_json_map, default={}, metavar="JSON", help="for gymnasium.make")
    parser.add_argument(
        "--lease", type=float, default=60.0, metavar="S", help="silence after which another may take over"
    )
    parser.add_argument(
        "--space-dtype", action="store_true", help="round actions to the type of the action space"
    )
    parser.add_argument(
        "--flatten",
        action="store_true",
        help="flatten observations of other kinds (Dict, Tuple, Discrete) into one vector",
    )
    parser.add_argument("--curve-secret-key", metavar="FILE", help="the server's secret key")
    parser.add_argument("--curve-allow", metavar="DIR", help="public keys of the clients that may connect")
    parser.add_argument(
        "--insecure", action="store_true", help="allow other addresses than loopback without CURVE"
    )
    parser.add_argument("--version", action="version", version=f"millrace.bridge {__version__}")
    return parser


def _fail(message: object, code: int) -> int:
    print(f"millrace.bridge: {wire.one_line(str(message))}", file=sys.stderr)
    return code


def main() -> int:
    options = _parser().parse_args()
    try:
        import gymnasium
    except ImportError:
        return _fail("the Python package gymnasium is missing; pip install gymnasium", 1)
    # Gymnasium's checker complains of actions in float64, which the environments take as well.
    kwargs = {"disable_env_checker": True, **options.kwargs}

    def make() -> Any:
        env = gymnasium.make(options.env_id, **kwargs)
        return gymnasium.wrappers.FlattenObservation(env) if options.flatten else env

    try:
        serve(
            make,
            options.bind,
            num_envs=options.num_envs,
            lease_s=options.lease,
            insecure=options.insecure,
            curve_secret_key=options.curve_secret_key,
            curve_allow=options.curve_allow,
            space_dtype=options.space_dtype,
        )
    except zmq.ZMQError as error:
        return _fail(error, 1)
    except (gymnasium.error.Error, TypeError, ValueError, ImportError) as error:
        return _fail(f"{options.env_id}: {error}", 2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
