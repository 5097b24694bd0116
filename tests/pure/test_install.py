# SPDX-License-Identifier: GPL-2.0-or-later
"""What `meson install` gives, and whether those who read it understand it: systemd, man, and fwd itself. No namespaces."""
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import tempfile

from bed import SOURCE, Skip
from daemon import BUILD, built

CONF = os.path.join(SOURCE, 'fwd', 'system', 'fwd.conf')


def run(*argv, env=None):
    """(exit code, both outputs)."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout


def must(*argv, env=None):
    code, out = run(*argv, env=env)
    assert code == 0, '%s: exit %d\n%s' % (' '.join(argv), code, out)
    return out


def need(tool):
    if not shutil.which(tool):
        raise Skip(tool + ' is not installed')


def options(build):
    need('meson')
    return {o['name']: o['value'] for o in json.loads(must('meson', 'introspect', build, '--buildoptions'))}


def install(destdir):
    """Installs what is built into @destdir under a umask that would spoil modes; returns the prefix below it."""
    built('fwd/daemon/fwd'), built('fwd/ctl/fwctl')
    prefix = options(BUILD)['prefix']
    old = os.umask(0o077)
    try:
        must('meson', 'install', '-C', BUILD, '--no-rebuild', env={'DESTDIR': destdir})
    finally:
        os.umask(old)
    return destdir + prefix


def pages():
    return sorted(glob.glob(os.path.join(SOURCE, 'docs', '*.[1-8]')))


def read(path):
    with open(path) as f:
        return f.read()


def unit_dir(build):
    """Where the unit goes, by what meson would do."""
    return [os.path.dirname(p) for p in json.loads(must('meson', 'introspect', build, '--installed')).values()
            if p.endswith('/fwd.service')]


def test_files():
    with tempfile.TemporaryDirectory() as dest:
        prefix = install(dest)
        if options(BUILD)['prefix'] != '/usr/local':
            raise Skip('the list is that of prefix /usr/local')
        found = {}
        for directory, unused, files in os.walk(dest):
            for name in files:
                path = os.path.join(directory, name)
                assert stat.S_ISREG(os.lstat(path).st_mode), path
                found[path[len(dest):]] = '%04o' % stat.S_IMODE(os.lstat(path).st_mode)
        p = prefix[len(dest):]
        wanted = {p + '/sbin/fwd': '0755', p + '/bin/fwctl': '0755', p + '/lib/systemd/system/fwd.service': '0644',
                  p + '/lib/sysusers.d/fwd.conf': '0644', p + '/lib/tmpfiles.d/fwd.conf': '0644',
                  p + '/share/doc/fwd/fwd.conf': '0644', '/etc/fwd/fwd.conf': '0644'}
        if os.path.exists(os.path.join(BUILD, 'host-setup', 'fwd-host')):
            wanted[p + '/libexec/fwd-host'] = '0755'
        for page in pages():
            if page.endswith('/fwd-host.8') and p + '/libexec/fwd-host' not in wanted:
                continue
            wanted['%s/share/man/man%s/%s' % (p, page[-1], os.path.basename(page))] = '0644'
        assert found == wanted, 'lacking %s, too many %s' % (sorted(wanted.items() - found.items()),
                                                              sorted(found.items() - wanted.items()))
        for directory in ('/etc/fwd', p + '/share/doc/fwd'):
            assert stat.S_IMODE(os.stat(dest + directory).st_mode) & 0o005 == 0o005, directory
        assert 'ExecStart=%s/sbin/fwd\n' % p in read(prefix + '/lib/systemd/system/fwd.service')


def test_prefix_usr():
    """A package's build: the unit is where systemd has its own, and names the program of that prefix."""
    with tempfile.TemporaryDirectory() as build:
        need('meson')
        must('meson', 'setup', '--prefix=/usr', build, SOURCE)
        wanted = '/usr/lib/systemd/system'
        if shutil.which('pkg-config') and run('pkg-config', '--exists', 'systemd')[0] == 0:
            wanted = must('pkg-config', '--variable=systemdsystemunitdir', 'systemd').strip()
        assert unit_dir(build) == [wanted], unit_dir(build)
        assert 'ExecStart=/usr/sbin/fwd\n' in read(os.path.join(build, 'fwd', 'system', 'fwd.service'))


def test_conf_is_kept():
    with tempfile.TemporaryDirectory() as dest:
        prefix = install(dest)
        conf, default = dest + '/etc/fwd/fwd.conf', prefix + '/share/doc/fwd/fwd.conf'
        assert read(conf) == read(default) == read(CONF)
        with open(conf, 'w') as f:
            f.write('# mine\n')
        os.chmod(conf, 0o600)
        install(dest)
        assert read(conf) == '# mine\n' and stat.S_IMODE(os.stat(conf).st_mode) == 0o600
        assert read(default) == read(CONF)
        os.unlink(conf)
        os.symlink('elsewhere', conf)  # a link counts as the administrator's, wherever it leads
        install(dest)
        assert os.readlink(conf) == 'elsewhere' and os.listdir(dest + '/etc/fwd') == ['fwd.conf']


def test_conf_is_the_defaults():
    fwd = built('fwd/daemon/fwd')
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as empty:
        defaults = must(fwd, '-nv', '-c', empty.name)
    assert must(fwd, '-nv', '-c', CONF) == defaults
    said = [line for line in read(CONF).splitlines() if line and not line.startswith('#')]
    assert said == defaults.splitlines(), 'fwd.conf leaves something out, or says it in other words'


def test_man_lint():
    need('mandoc')
    assert len(pages()) >= 2
    for page in pages():
        code, out = run('mandoc', '-T', 'lint', '-W', 'warning', page)
        assert code == 0 and not out, out


def test_man_complete():
    """Every option, setting and file that the programs know is in their manual."""
    plain = {os.path.basename(p): re.sub(r'\\[&-]|"', '', read(p)) for p in pages()}
    fwd = built('fwd/daemon/fwd')
    for option in re.findall(r'^  (--?[a-zA-Z]+)', must(fwd, '--help'), re.M):
        flag = option[1:] if not option.startswith('--') else 'Fl ' + option[2:]
        assert re.search(r'^\.It Fl (h , Fl )?%s\b' % re.escape(flag), plain['fwd.8'], re.M), option + ' is not in fwd.8'
    for name in re.findall(r'^(\S+) *=', must(fwd, '-nv', '-c', CONF), re.M):
        assert re.search(r'^\.It Cm %s =' % re.escape(name), plain['fwd.conf.5'], re.M), name + ' is not in fwd.conf.5'


def test_unit_verifies():
    need('systemd-analyze')
    with tempfile.TemporaryDirectory() as directory:
        install(directory)
        unit = os.path.join(directory, 'fwd.service')
        text = read(os.path.join(BUILD, 'fwd', 'system', 'fwd.service'))
        with open(unit, 'w') as f:  # the program is looked for: it is not where it will be
            f.write(re.sub(r'^Exec(Start=|Reload=-)', lambda m: m.group() + directory, text, flags=re.M))
        code, out = run('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', unit)
        about = [line for line in out.splitlines() if 'fwd' in line]
        if code and not about:
            raise Skip('systemd-analyze cannot verify here: ' + ' '.join(out.split())[:200])
        assert code == 0 and not about, out
        with open(unit, 'a') as f:
            f.write('[Service]\nExecStrat=/bin/true\n')
        assert 'ExecStrat' in run('systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', unit)[1], 'it sees no faults'


def test_group_and_directory():
    """sysusers.d and tmpfiles.d, applied to a root directory of their own."""
    if os.geteuid():
        raise Skip('needs root')
    need('systemd-sysusers'), need('systemd-tmpfiles')
    with tempfile.TemporaryDirectory() as root:
        prefix = install(root)
        for name in ('passwd', 'group'):
            with open(os.path.join(root, 'etc', name), 'w') as f:
                f.write('root:x:0:0::/:/bin/sh\n' if name == 'passwd' else 'root:x:0:\n')
        must('systemd-sysusers', '--root=' + root, prefix + '/lib/sysusers.d/fwd.conf')
        assert re.search(r'^fwd:[^:]*:[0-9]+:$', read(root + '/etc/group'), re.M), read(root + '/etc/group')
        assert 'fwd' not in read(root + '/etc/passwd')
        directory = root + '/etc/iptables'
        for mode, made in ((0o755, False), (0o750, True)):
            if made:  # it is others', too: nothing is changed where it is there
                os.chmod(directory, mode)
            must('systemd-tmpfiles', '--create', '--root=' + root, prefix + '/lib/tmpfiles.d/fwd.conf')
            assert stat.S_IMODE(os.stat(directory).st_mode) == mode, oct(os.stat(directory).st_mode)
