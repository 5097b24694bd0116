#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds, finds and runs the tests; started by tests/run.

A test is a program that meson knows as a test (named SUITE/NAME), or a function test_NAME of tests/DIR/test_FILE.py (named
DIR/FILE/NAME), each run as a process group of its own. Exit 0 passes, 77 skips with the last line of output as the reason.

Tests that match SANITIZED run once more as asan/NAME, with programs of build-asan/ that the address and the undefined behaviour
sanitizer watch; only in a run of everything, with --suite asan, or with -k asan…"""
import argparse
import ast
import fnmatch
import glob
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get('FWD_BUILD') or os.path.join(SOURCE, 'build')
CI = os.environ.get('CI') == 'true'
TIMEOUT, TOTAL = 120, 3600
SANITIZED = ('net/bad_input/*', 'net/spine/*')
ASAN_BUILD = os.path.join(SOURCE, 'build-asan')
ASAN_SETUP = ['-Db_sanitize=address,undefined', '-Db_lundef=false', '-Dbuildtype=debugoptimized']
ASAN_ENV = {'FWD_BUILD': ASAN_BUILD, 'UBSAN_OPTIONS': 'halt_on_error=1:print_stacktrace=1'}
ASAN_PROGRAMS = ['fwd/daemon/fwd', 'fwd/ctl/fwctl']
ASAN_TOTAL = 900  # seconds, of building them and of all their tests
SHOWN = 200  # lines of a failing test's output


class Test:
    def __init__(self, name, argv, timeout=TIMEOUT, env=None, cwd=SOURCE, tap=False):
        self.name, self.argv, self.timeout, self.env, self.cwd, self.tap = name, argv, timeout, env or {}, cwd, tap


# ---- finding

def build(where=BUILD, setup=(), targets=()):
    """None, or why it failed."""
    jobs = str(min(os.cpu_count() or 1, 2))
    for tool in ('meson', 'ninja'):
        if not shutil.which(tool):
            return tool + ' is not installed'
    steps = [['ninja', '-C', where, '-j', jobs, *targets]]
    if not os.path.exists(os.path.join(where, 'build.ninja')):
        steps.insert(0, ['meson', 'setup', *setup, where, SOURCE])
    elif not os.path.exists(os.path.join(where, 'host-setup/fwd-host')):
        steps.insert(0, ['meson', 'setup', '--reconfigure', where, SOURCE])  # what was missing then may be there now
    for step in steps:
        done = subprocess.run(step, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            return '%s failed:\n%s' % (' '.join(step), done.stdout)
    return None


def compiled_tests():
    done = subprocess.run(['meson', 'introspect', BUILD, '--tests'], stdout=subprocess.PIPE, text=True, check=True)
    tests = []
    for entry in json.loads(done.stdout):
        suite = entry['suite'][0].rpartition(':')[2] if entry['suite'] else 'other'
        tests.append(Test(suite + '/' + entry['name'], entry['cmd'], max(entry.get('timeout') or 0, TIMEOUT), entry.get('env'),
                          entry.get('workdir') or SOURCE, entry.get('protocol') == 'tap'))
    return sorted(tests, key=lambda t: t.name)


def python_tests():
    tests = []
    for path in sorted(glob.glob(os.path.join(SOURCE, 'tests', '*', 'test_*.py'))):
        directory, file = os.path.split(path)
        prefix = '%s/%s/' % (os.path.basename(directory), file[len('test_'):-len('.py')])
        with open(path) as f:
            tree = ast.parse(f.read(), path)
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith('test_'):
                argv = [sys.executable, os.path.abspath(__file__), '--one', path, node.name]
                tests.append(Test(prefix + node.name[len('test_'):], argv, _timeout(node), {'FWD_BUILD': BUILD}))
    return tests


def sanitized_tests(tests):
    """Copies of those that run under the sanitizers, too."""
    return [Test('asan/' + t.name, t.argv, t.timeout * 2, dict(t.env, **ASAN_ENV)) for t in tests
            if any(fnmatch.fnmatch(t.name, pattern) for pattern in SANITIZED)]


def _timeout(node):
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, 'id', '') == 'timeout':
            return ast.literal_eval(decorator.args[0])
    return TIMEOUT


def justified_skips():
    with open(os.path.join(SOURCE, 'tests', 'justified-skips')) as f:
        return [line.split()[0] for line in f if line.strip() and not line.startswith('#')]


def prepare(tests):
    """Root file systems are made before the first test that may want one, so that no test's time goes into it. One that
    cannot be had is a skip of the tests that ask for it."""
    if os.geteuid() == 0 and any('--one' in test.argv for test in tests):
        trees = ['bookworm', 'trixie']
        if any(test.name.startswith('net/fail2ban/') for test in tests):
            trees.append('bookworm fail2ban')
        for tree in trees:
            subprocess.run([os.path.join(SOURCE, 'tests', 'rootfs'), *tree.split()], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL)


# ---- running

def run(test, seconds):
    """(result, reason, output) of a test that may take @seconds."""
    env = dict(os.environ, **test.env)
    with tempfile.TemporaryFile('w+', errors='replace') as out:
        try:
            process = subprocess.Popen(test.argv, cwd=test.cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return 'FAIL', str(error), ''
        late = ''
        try:
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                late = 'not done after %g s' % seconds
                code = end(process)
        finally:
            end_group(process.pid)
        out.seek(0)
        text = out.read()
    return judge(test, code, late, text) + (text,)


def end(process):
    """SIGTERM to the test itself, so that it can clear up; SIGKILL if it does not."""
    process.terminate()
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def end_group(pgid):
    """Whatever the test left behind."""
    try:
        os.killpg(pgid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def judge(test, code, late, text):
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), '')
    if late:
        return 'FAIL', late
    if code == 77:
        return 'skip', last or 'no reason given'
    if code < 0:
        try:
            return 'FAIL', 'killed by ' + signal.Signals(-code).name
        except ValueError:
            return 'FAIL', 'killed by signal %d' % -code
    if code:
        return 'FAIL', 'exit %d' % code
    return judge_tap(text) if test.tap else ('ok', '')


def judge_tap(text):
    lines = text.splitlines()
    plans = [line.split()[0] for line in lines if line.startswith('1..')]
    results = [line for line in lines if line.startswith(('ok', 'not ok'))]
    if not plans:
        return 'FAIL', 'no plan in its output'
    if any(line.startswith('not ok') for line in results):
        return 'FAIL', 'not ok'
    if sum(int(plan[3:]) for plan in plans) != len(results):
        return 'FAIL', 'planned %s, ran %d' % (' + '.join(plans), len(results))
    return 'ok', ''


def one(path, function):
    """A single function of a python test file, in this process."""
    sys.path[:0] = [os.path.dirname(path), os.path.join(SOURCE, 'tests', 'net')]
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(143))
    import bed
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        getattr(module, function)()
    except bed.Skip as reason:
        print(reason)
        return 77
    except Exception:
        traceback.print_exc()
        return 1
    return 0


# ---- telling

class Report:
    def __init__(self, verbose):
        self.verbose, self.counts = verbose, {'ok': 0, 'FAIL': 0, 'skip': 0}
        self.justified = justified_skips()

    def add(self, name, result, reason='', seconds=0.0, text=''):
        if result == 'skip' and CI and not any(
                fnmatch.fnmatch(name.removeprefix('asan/'), pattern) for pattern in self.justified):
            result, reason, text = 'FAIL', 'skipped, and not in tests/justified-skips: ' + reason, ''
        self.counts[result] += 1
        print('%-4s  %-50s %6.2f s%s' % (result, name, seconds, '  ' + reason if reason else ''))
        if text and (result == 'FAIL' or self.verbose):
            lines = text.splitlines()
            if len(lines) > SHOWN and not self.verbose:
                print('      … %d lines more' % (len(lines) - SHOWN))
                lines = lines[-SHOWN:]
            for line in lines:
                print('      ' + line)
        sys.stdout.flush()

    def close(self):
        print('%d passed, %d failed, %d skipped' % (self.counts['ok'], self.counts['FAIL'], self.counts['skip']))
        return 1 if self.counts['FAIL'] or not self.counts['ok'] else 0


def chosen(tests, options):
    suites = set(options.suite or [])

    def wanted(name):
        if name.startswith('asan/') and options.k and not options.k.startswith('asan') and 'asan' not in suites:
            return False
        return (not suites or name.split('/')[0] in suites) and \
            (not options.k or options.k in name or fnmatch.fnmatch(name, options.k))
    return [t for t in tests if wanted(t.name)]


def arguments():
    parser = argparse.ArgumentParser(prog='tests/run', description='Builds fwd and runs its tests.')
    parser.add_argument('-k', metavar='PATTERN', help='only tests whose name holds or matches PATTERN')
    parser.add_argument('--suite', action='append', metavar='NAME', help='only this suite: unit, fuzz, net, …; may be repeated')
    parser.add_argument('--list', action='store_true', help='print names and run nothing')
    parser.add_argument('-v', action='store_true', help='show the output of passing tests too')
    parser.add_argument('--total', type=float, default=TOTAL, metavar='SECONDS', help='tests after that fail unrun (%(default)s)')
    return parser.parse_args()


def run_all(tests, report, total):
    began = time.monotonic()
    for test in tests:
        start = time.monotonic()
        left = began + total - start
        if left <= 0:
            report.add(test.name, 'FAIL', 'not run: all together had %g s' % total)
            continue
        result, reason, text = run(test, min(test.timeout, left))
        report.add(test.name, result, reason, time.monotonic() - start, text)


def run_sanitized(tests, report, total):
    if not tests:
        return
    start = time.monotonic()
    failure = build(ASAN_BUILD, ASAN_SETUP, ASAN_PROGRAMS)
    seconds = time.monotonic() - start
    report.add('asan/build', 'FAIL' if failure else 'ok', seconds=seconds, text=failure or '')
    if not failure:
        run_all(tests, report, min(ASAN_TOTAL, total) - seconds)


def main():
    options = arguments()
    report = Report(options.v)
    failure = build()
    tests = ([] if failure else compiled_tests()) + python_tests()
    tests += sanitized_tests(tests)
    if options.list:
        print('\n'.join(t.name for t in chosen(tests, options)))
        return 1 if failure else 0
    if failure:
        report.add('build', 'FAIL', text=failure)
    elif not any(t.name.startswith('unit/') for t in tests):
        report.add('build', 'FAIL', 'no unit tests: cmocka is missing (meson setup --reconfigure %s when it is there)' % BUILD)
    tests = chosen(tests, options)
    prepare(tests)
    began = time.monotonic()
    run_all([t for t in tests if not t.name.startswith('asan/')], report, options.total)
    run_sanitized([t for t in tests if t.name.startswith('asan/')], report, options.total - (time.monotonic() - began))
    return report.close()


if __name__ == '__main__':
    if sys.argv[1:2] == ['--one']:
        sys.exit(one(*sys.argv[2:4]))
    sys.exit(main())
