# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/run tells passed, failed and skipped apart, and ends what does not end."""
import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, 'tests'))

import runner  # noqa: E402


def outcome(script, seconds=20, tap=False):
    return runner.run(runner.Test('self/x', ['sh', '-c', script], tap=tap), seconds)


def test_outcomes():
    assert outcome('echo hello')[:2] == ('ok', '')
    assert outcome('echo hello; exit 3') == ('FAIL', 'exit 3', 'hello\n')
    assert outcome('echo first; echo no kernel >&2; exit 77')[:2] == ('skip', 'no kernel')
    assert outcome('kill -SEGV $$')[:2] == ('FAIL', 'killed by SIGSEGV')
    assert runner.run(runner.Test('self/x', ['/nonexistent']), 5)[0] == 'FAIL'


def test_tap():
    assert outcome('echo 1..2; echo ok 1; echo ok 2', tap=True)[0] == 'ok'
    assert outcome('echo 1..2; echo ok 1; echo not ok 2', tap=True)[0] == 'FAIL'
    assert outcome('echo 1..2; echo ok 1', tap=True)[0] == 'FAIL'
    assert outcome('true', tap=True)[0] == 'FAIL'


def test_time_is_limited_and_nothing_is_left():
    with tempfile.TemporaryDirectory() as directory:
        pids = directory + '/pids'
        began = time.monotonic()
        result, reason, unused = outcome('sleep 1000 & echo $! >%s; wait' % pids, 0.5)
        assert (result, reason) == ('FAIL', 'not done after 0.5 s') and time.monotonic() - began < 9
        result = outcome('sleep 1000 & echo $! >>%s; exit 0' % pids)[0]
        assert result == 'ok'
        with open(pids) as f:
            left = [pid for pid in f.read().split() if alive(pid)]
        assert not left


def alive(pid):
    """@pid was killed, and perhaps not yet buried."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            with open('/proc/%s/stat' % pid) as f:
                if f.read().rpartition(')')[2].split()[0] in 'ZX':
                    return False
        except OSError:
            return False
    return True


def told(ci, *results):
    runner.CI, out = ci, io.StringIO()
    with contextlib.redirect_stdout(out):
        report = runner.Report(False)
        report.justified = ['self/known*']
        for result in results:
            report.add(*result)
        code = report.close()
    return code, out.getvalue().splitlines()


def test_report_and_skips_in_ci():
    results = ('self/a', 'ok'), ('self/known_b', 'skip', 'why'), ('self/c', 'skip', 'why not')
    code, lines = told(False, *results)
    assert code == 0 and lines[-1] == '1 passed, 0 failed, 2 skipped' and len(lines) == 4
    assert lines[2].startswith('skip  self/c ') and lines[2].endswith('  why not')
    code, lines = told(True, *results)
    assert code == 1 and lines[-1] == '1 passed, 1 failed, 1 skipped'
    code, lines = told(False, ('self/a', 'ok'), ('self/b', 'FAIL', 'exit 1', 0.1, 'this is why\n'))
    assert code == 1 and lines[-1] == '1 passed, 1 failed, 0 skipped' and '      this is why' in lines
    assert told(False)[0] == 1, 'nothing ran is no success'


def test_some_run_under_sanitizers_too():
    tests = [runner.Test(name, ['true'], 7, {'FWD_BUILD': '/b'}) for name in ('net/spine/a', 'net/bad_input/b', 'net/bed/c', 'unit/d')]
    copies = runner.sanitized_tests(tests)
    assert [t.name for t in copies] == ['asan/net/spine/a', 'asan/net/bad_input/b']
    assert copies[0].env['FWD_BUILD'].endswith('/build-asan') and 'halt_on_error' in copies[0].env['UBSAN_OPTIONS']
    assert tests[0].env == {'FWD_BUILD': '/b'}

    def names(k=None, suite=None):
        return [t.name for t in runner.chosen(tests + copies, argparse.Namespace(k=k, suite=suite))]
    assert len(names()) == 6
    assert names('net/spine') == ['net/spine/a'] and names('*/a') == ['net/spine/a']
    assert names('asan') == ['asan/net/spine/a', 'asan/net/bad_input/b'] and names('asan/net/spine/*') == ['asan/net/spine/a']
    assert names(suite=['asan']) == names('asan') and names('bad_input', ['asan']) == ['asan/net/bad_input/b']
    assert names(suite=['net']) == ['net/spine/a', 'net/bad_input/b', 'net/bed/c']


def test_python_tests_are_found():
    names = [t.name for t in runner.python_tests()]
    assert 'self/runner/python_tests_are_found' in names and len(names) == len(set(names))


def test_single_function():
    def one(text):
        with tempfile.TemporaryDirectory() as directory:
            path = directory + '/test_x.py'
            with open(path, 'w') as f:
                f.write(text)
            return subprocess.run([sys.executable, runner.__file__, '--one', path, 'test_x'], capture_output=True).returncode
    assert one('def test_x():\n    pass\n') == 0
    assert one('def test_x():\n    assert 1 == 2\n') == 1
    assert one('from bed import Skip\ndef test_x():\n    raise Skip("no")\n') == 77
    assert one('import nothing_of_that_name\ndef test_x():\n    pass\n') == 1
