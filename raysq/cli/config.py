"""Command `config`: print all settings of a task's model."""

import argparse
import json

from raysq.cli.output import overrides
from raysq.display.terminal import print_result


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
