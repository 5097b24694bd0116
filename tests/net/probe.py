# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs net-probe (probe.c) in a namespace of a Bed."""
import json

from daemon import built


def probe(bed, *args, where='host', **kw):
    """Its lines, parsed."""
    done = bed.run(where, [built('tests/net/net-probe'), *map(str, args)], **kw)
    assert done.returncode in (0, 1) and not done.stderr, (done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(bed, *args, **kw):
    """The one thing that it says: 'ok', or an errno's name."""
    lines = probe(bed, *args, **kw)
    return lines[-1]['error'] if lines and 'error' in lines[-1] else 'ok'
