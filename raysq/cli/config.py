"""Command `config`: print all settings of a task's model."""

import argparse
import json

from raysq.cli.output import overrides, write_result
from raysq.display.terminal import print_result


def config(options: argparse.Namespace) -> None:
    """Print a file of settings as YAML, as JSON with `--json`, or its JSON schema with `--schema`."""
    from raysq.training.presets import with_preset
    from raysq.training.template import Template

    settings = with_preset(overrides(options), options.preset)
    template = Template.of(options.task, model=options.model, data=options.data, seed=options.seed, settings=settings)
    if options.schema:
        schema = template.schema()
        return write_result(
            options, schema, lambda console: print_result(json.dumps(schema, indent=2, ensure_ascii=False))
        )
    write_result(options, template.to_dict(), lambda console: print_result(template.to_yaml().rstrip()))
