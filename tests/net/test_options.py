# SPDX-License-Identifier: GPL-2.0-or-later
"""fwd -n and fwd -nv: what is printed back parses to the same, errors name their line, nothing is touched."""
import random

from bed import Bed, Fwd

SEED = 4


def random_conf(rng):
    lines = ['[firewall]']
    if rng.random() < 0.7:
        lines.append('ssh = ' + rng.choice(['anyone', 'whitelist']))
    if rng.random() < 0.7:
        ports = rng.sample(range(1, 65536), rng.randint(1, 15))
        lines.append('ssh-ports = ' + rng.choice(['auto', rng.choice([' ', ', ']).join(map(str, ports))]))
    if rng.random() < 0.7:
        lines.append('trust = ' + ' '.join(rng.sample(['wg0', 'eth1', 'br-lan', 'tun.7', 'a' * 15], rng.randint(0, 5))))
    if rng.random() < 0.7:
        lines.append('timeout = ' + rng.choice(['10s', '59s', '90', '7m', '1h']))
    head = lines.pop(0)
    rng.shuffle(lines)
    return '\n'.join([head] + lines) + '\n'


def test_what_is_printed_parses_to_the_same():
    rng = random.Random(SEED)
    print('seed', SEED)
    with Bed() as bed, Fwd(bed, start=False) as fwd:
        for _ in range(40):
            text = random_conf(rng)
            fwd.write_conf(text)
            assert fwd.once('-n') == (0, '', ''), text
            code, printed, err = fwd.once('-n', '-v')
            assert code == 0 and not err and printed.startswith('[firewall]'), (text, printed, err)
            fwd.write_conf(printed)
            assert fwd.once('-nv') == (0, printed, ''), (text, printed)


def test_errors_name_their_line_and_nothing_is_touched():
    with Bed() as bed, Fwd(bed, start=False) as fwd:
        for text, where, word in (('[firewall]\nssh = nobody\n', ':2:', 'nobody'), ('ssh = anyone\n', ':1', 'ssh'),
                                  ('[firewall]\n\n# x\ntrust = ../x\n', ':4:', '../x'), ('[fire]\n', ':1', 'firewall')):
            fwd.write_conf(text)
            code, out, err = fwd.once('-n')
            assert code == 1 and not out and fwd.conf + where in err and word in err, (text, code, err)
        assert fwd.ipsets() is None and fwd.rules() is None and fwd.confirmed() is None
        assert 'FWD-' not in bed.root('host', ['iptables-save']).stdout
        for args, code in ((['-v'], 2), (['-n', '--rescue'], 2), (['--nonsense'], 2), (['-n', 'word'], 2), (['--version'], 0)):
            assert fwd.once(*args)[0] == code, args
