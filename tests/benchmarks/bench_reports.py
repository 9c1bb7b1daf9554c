"""Reports of the bench made by hand."""

from understudy_bench.rows import SCHEMA_VERSION, Report, Row


def row(name, ratio, reference="echo", **more):
    """A row with this ratio; without a reference if it is None."""
    fields = {"value": 10.0, "unit": "us/request", "versions": {"python": "3"}, "saturated": True, "repetitions": 5}
    return Row(name=name, ratio=ratio, reference=None if ratio is None else reference, **{**fields, **more})


def report(*rows):
    """A report of these rows."""
    settings = {"seed": 0, "repetitions": 5, "window_s": 1.0}
    return Report(schema_version=SCHEMA_VERSION, machine={"cpu": "x"}, settings=settings, rows=rows)
