"""Command `config`: print all settings of a task's model."""

import argparse
import json

from raysq.cli.output import overrides
from raysq.display.terminal import print_result


def add(sub: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    sub.add_argument("task")
    sub.add_argument("--data", help="name or directory of a prepared data set (default: the task's newest, if any)")
    sub.add_argument("--model", help="a model of the task, or package.module:function (default: the task's)")
    sub.add_argument("--seed", type=int, default=0, help="of weights, order and dropout (default: 0)")
    sub.add_argument("--schema", action="store_true", help="print the JSON schema of the file instead")


def config(options: argparse.Namespace) -> None:
    """Print a file of settings as YAML, as JSON with `--json`, or its JSON schema with `--schema`."""
    from raysq.training.template import Template

    template = Template.of(
        options.task, model=options.model, data=options.data, seed=options.seed, settings=overrides(options)
    )
    if options.schema or options.json:
        values = template.schema() if options.schema else template.to_dict()
        print(json.dumps(values, indent=None if options.json else 2, ensure_ascii=False), file=options.stdout)
    else:
        print_result(template.to_yaml().rstrip())
