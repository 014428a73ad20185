"""Reads Prometheus' text exposition format 0.0.4 strictly: what a scraper may forgive is an error here."""
import re

from prometheus_client.parser import text_string_to_metric_families

NAME = r'[a-zA-Z_:][a-zA-Z0-9_:]*'
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL})(?:,{LABEL})*)\}})? (-?\d+(?:\.\d+)?)')
HEAD = re.compile(rf'# (HELP|TYPE) ({NAME}) (.+)')


def read(text):
    """{(name, ((label, value), ...)): number}; raises AssertionError where the text is not as it should be."""
    assert text.endswith('\n')
    family, kind, seen, samples = None, None, set(), {}
    lines = iter(text[:-1].split('\n'))
    for line in lines:
        if line.startswith('#'):
            what, name, help_text = HEAD.fullmatch(line).groups()
            assert what == 'HELP' and help_text.strip() and name not in seen, line
            type_line = HEAD.fullmatch(next(lines))
            assert type_line.group(1, 2) == ('TYPE', name), line
            kind = type_line.group(3)
            assert kind in ('counter', 'gauge'), line
            assert name.endswith('_total') == (kind == 'counter'), line
            family = name
            seen.add(name)
            continue
        match = SAMPLE.fullmatch(line)
        assert match and match.group(1) == family, line
        labels = tuple(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ''))
        assert len({label for label, _ in labels}) == len(labels), line
        assert kind == 'gauge' or not match.group(3).startswith('-'), line
        assert (family, labels) not in samples, f'twice: {line}'
        samples[family, labels] = float(match.group(3))
    assert_agrees(text, samples)
    return samples


def assert_agrees(text, samples):
    """The reader of Prometheus' own client sees as many samples with the same sum."""
    theirs = [s for family in text_string_to_metric_families(text) for s in family.samples]
    assert all(family.type in ('counter', 'gauge') and family.documentation
               for family in text_string_to_metric_families(text))
    assert sorted(s.value for s in theirs) == sorted(samples.values())
