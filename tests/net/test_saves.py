# SPDX-License-Identifier: GPL-2.0-or-later
"""What others read: the listings of iptables and ipset (both releases of Debian), the files that they load, and the lines of
others in those files. `UPDATE=1 tests/run -k net/saves` writes tests/golden/saves anew: read the diff."""
import os
import re
import time

import saves
from bed import SOURCE, Bed, Fwd
from saves import same

GOLDEN = os.path.join(SOURCE, 'tests', 'golden', 'saves')
CONF = '[firewall]\nssh-ports = 22 2222\ntrust = wg0\n'
NARROWER = '[firewall]\nssh = whitelist\nssh-ports = 22 2222\ntrust = wg0\n'


def golden(name, lines):
    path = os.path.join(GOLDEN, name)
    if os.environ.get('UPDATE'):
        os.makedirs(GOLDEN, exist_ok=True)
        with open(path, 'w') as f:
            f.write('\n'.join(lines) + '\n')
    with open(path) as f:
        same(lines, f.read().splitlines(), name)


def as_recorded(bed, stage):
    """All three listings, by the tools of both releases, against the literal ones."""
    for release in saves.RELEASES:
        for family in saves.SAVES:
            golden('%s.%s.v%d' % (stage, release, family), saves.rules(bed, family, release))
        golden('%s.%s.ipset' % (stage, release), saves.sets(bed, release))


def fill(fwd):
    fwd.ctl('allow', '192.0.2.20', '2001:db8::20', '--comment', 'friend of the house', check=0)
    fwd.ctl('allow', '198.51.100.0/24', '2001:db8:1::/48', '--for', '1h', check=0)
    fwd.ctl('allow', '203.0.113.0-203.0.113.6', '--for', '2d', '--comment', "it's theirs & ours", check=0)


def time_left(bed, net):
    """Of an entry: seconds by ipset, and by the end that its comment tells."""
    line = next(l for l in bed.root('host', ['ipset', 'save']).stdout.splitlines() if ' %s ' % net in l)
    return int(re.search(r' timeout (\d+)', line)[1]), int(re.search(r'until=(\d+)', line)[1]) - time.time()


def test_listings_show_exactly_the_ruleset():
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        fill(fwd)
        fwd.ctl('enable', check=4)
        as_recorded(bed, 'first-trial')
        fwd.ctl('confirm', '--force', check=0)
        as_recorded(bed, 'confirmed')
        for family in saves.SAVES:  # what fwd writes is what bookworm would
            golden('confirmed.bookworm.v%d' % family, re.sub(r'(?m) \[0:0\]$', '', fwd.rules(family)).splitlines())
        for net, seconds in (('198.51.100.0/24', 3600), ('2001:db8:1::/48', 3600), ('203.0.113.4/31', 172800)):
            left, until = time_left(bed, net)
            assert seconds - 60 < left <= seconds and abs(left - until) <= 2, (net, left, until)
        fwd.write_conf(NARROWER)
        fwd.ctl('reload', check=4)
        as_recorded(bed, 'second-trial')
        fwd.ctl('rollback', check=0)
        as_recorded(bed, 'confirmed')
        fwd.ctl('disable', check=0)
        as_recorded(bed, 'off')


def load(bed, fwd, release, name='host'):
    """As netfilter-persistent does, in its order."""
    bed.root(name, ['ipset', 'restore', '-exist'], release, input=fwd.ipsets())
    for family in saves.TOOLS:
        bed.root(name, [saves.TOOLS[family] + '-restore'], release, input=fwd.rules(family))


def listing(bed, release, name='host'):
    """Of rules and of the sets that files hold."""
    return saves.rules(bed, 4, release, name) + saves.rules(bed, 6, release, name) + \
        saves.sets(bed, release, name, only='whitelist')


def empty(bed):
    bed.root('host', ['nft', 'flush', 'ruleset'])
    bed.root('host', ['ipset', 'destroy'])


def load_again(release):
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        fill(fwd)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        fwd.ctl('remove', '203.0.113.6', check=0)
        want = listing(bed, release)
        assert any('203.0.113.4/31' in line for line in want) and not any('203.0.113.6' in line for line in want), want
        load(bed, fwd, release, 'friend')
        same(listing(bed, release, 'friend'), want, 'their files in an empty namespace')
        fwd.kill()
        empty(bed)
        load(bed, fwd, release)
        before, ipsets = saves.generation(bed), fwd.ipsets()
        seen = len(fwd.syslog.lines)
        fwd.start()
        fwd.syslog.wait('nothing was to be done', after=seen)
        assert saves.generation(bed) == before, 'fwd changed rules that were right'
        assert not [l for l in fwd.syslog.lines[seen:] if 'put back' in l], fwd.syslog.lines[seen:]
        assert fwd.ipsets() == ipsets
        same(listing(bed, release), want, 'after fwd started on top')
        assert fwd.ctl('diff', json=True, check=0)[1]['result']['differences'] == []
        assert fwd.ctl('status', json=True, check=0)[1]['result']['attention'] == []


def test_files_loaded_again_bookworm():
    load_again('bookworm')


def test_files_loaded_again_trixie():
    load_again('trixie')


def test_files_saved_by_others_are_taken_up():
    """`netfilter-persistent save` writes the kernel over our files; fwd finds its own in them."""
    with Bed() as bed, Fwd(bed, conf=CONF) as fwd:
        fill(fwd)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        for release in saves.RELEASES:
            want = listing(bed, release)
            for name, tool in (('ipsets', ['ipset', 'save']), ('rules.v4', ['iptables-save']), ('rules.v6', ['ip6tables-save'])):
                with open(os.path.join(fwd.iptables, name), 'w') as f:
                    f.write(bed.root('host', tool, release).stdout)
            fwd.kill()
            empty(bed)
            load(bed, fwd, release)
            before = saves.generation(bed)
            fwd.start()
            assert saves.generation(bed) == before, 'fwd changed rules that were right'
            same(listing(bed, release), want, 'after a save by others (%s)' % release)
            status = fwd.ctl('status', json=True, check=0)[1]['result']
            assert status['state'] == 'on' and status['attention'] == [], status
            fwd.ctl('allow', '192.0.2.99', check=0)
            fwd.ctl('remove', '192.0.2.99', check=0)


# Shapes of what Docker, CNI and fail2ban leave in a file: chains of theirs, odd counters, comments, quotes, a rule of a kind
# that fwd does not know, several tables, lines of nobody's format that iptables-restore passes over.
OTHERS_V4 = r'''# Generated by iptables-save v1.8.9 (nf_tables) on Tue Nov 24 08:00:00 2026
*raw
:PREROUTING ACCEPT [2034:401222]
:OUTPUT ACCEPT [1:2]
[7:420] -A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP
COMMIT
# Completed on Tue Nov 24 08:00:00 2026

*nat
:PREROUTING ACCEPT [1:60]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [3:180]
:POSTROUTING ACCEPT [3:180]
:DOCKER - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -m comment --comment "CNI portfwd: it's \"theirs\"" -j CNI-HOSTPORT-DNAT
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
COMMIT
# a remark of the administrator's, FWD-INPUT named in it
*filter
:INPUT ACCEPT [100:6400]
:FORWARD DROP [5:300]
:OUTPUT ACCEPT [0:0]
:CNI-ADMIN - [0:0]
:CNI-FORWARD - [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:f2b-sshd - [0:0]
[12:720] -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT   -p udp -m udp --dport 51820   -j ACCEPT
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
-A CNI-FORWARD -d 10.88.0.3/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A CNI-FORWARD -s 10.88.0.3/32 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 443 -j ACCEPT
-A DOCKER-USER -m statistic --mode random --probability 0.10000000009 -j RETURN
-A DOCKER-USER -j RETURN
-A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable
-A f2b-sshd -j RETURN
COMMIT
'''
OTHERS_V6 = '''*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [9:9]
-A INPUT -p udp -m udp --dport 51820 -j ACCEPT
COMMIT'''  # no newline at the end


def without_ours(text):
    """A file as others see it: our rules and chains left out, the two policies that fwd sets hidden."""
    ours = re.compile(r'(:|-A )FWD-|-A (INPUT|FORWARD) -j FWD-')
    return [re.sub(r'^:(INPUT|FORWARD) \w+', r':\1', line) for line in text.splitlines() if not ours.match(line)]


def test_lines_of_others_in_the_files_stay():
    with Bed() as bed, Fwd(bed, start=False) as fwd:
        others = {4: OTHERS_V4, 6: OTHERS_V6}
        for family, text in others.items():
            with open(os.path.join(fwd.iptables, 'rules.v%d' % family), 'w') as f:
                f.write(text)
            bed.root('host', [saves.TOOLS[family] + '-restore'], input=text + '\n')
        fwd.start()

        def stand(ours):
            for family, text in others.items():
                now = fwd.rules(family)
                # nat's own INPUT chain has a policy that is not ours to change
                assert re.findall(r'(?s)\*nat.*?COMMIT', now) == re.findall(r'(?s)\*nat.*?COMMIT', text)
                same(without_ours(now), without_ours(text), 'lines of others in rules.v%d' % family)
                assert ('-A INPUT -j FWD-INPUT\n' in now) == ours, now
                if ours:
                    inputs = re.findall(r'(?m)^(?:\[.*\] )?-A INPUT .*', now)
                    assert inputs[-1] == '-A INPUT -j FWD-INPUT' and len(inputs) == (3 if family == 4 else 2), inputs
                    assert len(re.findall(r'(?ms)\*filter.*^:INPUT DROP.*^:FORWARD DROP', now)) == 1, now
                    for release in saves.RELEASES:
                        bed.root('host', [saves.TOOLS[family] + '-restore', '--test'], release, input=now)
        stand(False)
        fwd.ctl('enable', check=4)
        stand(False)
        fwd.ctl('rollback', check=0)
        stand(False)
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        stand(True)
        fwd.ctl('allow', '192.0.2.20', '2001:db8::20', check=0)
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        fwd.ctl('reload', check=0)
        assert '--dport 2222' in fwd.rules(4) and '--dport 2222' in fwd.rules(6)
        stand(True)
        fwd.write_conf('[firewall]\nssh-ports = 22\n')
        fwd.ctl('reload', check=4)
        stand(True)
        fwd.ctl('confirm', '--force', check=0)
        assert '--dport 2222' not in fwd.rules(4) + fwd.rules(6)
        stand(True)
        fwd.ctl('remove', '192.0.2.20', check=0)
        fwd.restart()
        stand(True)
        fwd.ctl('disable', check=0)
        stand(False)
        assert fwd.rules(4) == OTHERS_V4
        assert fwd.rules(6) == OTHERS_V6


def test_a_file_that_cannot_be_read_is_never_written_over():
    cases = (  # text, family, the line to be named
        ('these are my notes\n', 4, 1),
        ('*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ACCEPT\nrm -rf\nCOMMIT\n', 6, 4),
        ('*filter\n:INPUT ACCEPT [0:0]\n', 4, None),
        ('\x7fELF\x02\x01\x00\x00\x00', 4, 1),
    )
    with Bed() as bed, Fwd(bed) as fwd:
        fwd.ctl('enable', check=4)
        for text, family, line in cases:
            path = os.path.join(fwd.iptables, 'rules.v%d' % family)
            with open(path, 'w') as f:
                f.write(text)
            code, answer, _ = fwd.ctl('confirm', '--force', json=True)
            told = answer['error']['text']
            assert code == 1 and not answer['changed'], answer
            assert path + (':%d: ' % line if line else '') in told, (text, told)
            assert fwd.rules(family) == text and fwd.confirmed() is None
            assert sorted(os.listdir(fwd.iptables)) == ['ipsets', os.path.basename(path)], os.listdir(fwd.iptables)
            assert fwd.ctl('status', json=True, check=0)[1]['result']['state'] == 'trial'
            os.unlink(path)
        fwd.ctl('confirm', '--force', check=0)


def test_a_file_that_became_unreadable():
    with Bed() as bed, Fwd(bed) as fwd:
        fwd.ctl('enable', check=4)
        fwd.ctl('confirm', '--force', check=0)
        want, path = fwd.rules(4), os.path.join(fwd.iptables, 'rules.v4')

        def write(text):
            with open(path, 'w') as f:
                f.write(text)
        write('these are my notes\n')
        fwd.restart()
        assert fwd.rules(4) == 'these are my notes\n', 'written over at the start'
        differences = fwd.ctl('diff', json=True)[1]['result']['differences']
        assert any(d['where'] == 'rules.v4' and 'line 1' in d['text'] for d in differences), differences
        attention = fwd.ctl('status', json=True, check=0)[1]['result']['attention']
        assert len(attention) == 1 and path + ':1: ' in attention[0]['text'], attention
        fwd.write_conf('[firewall]\nssh-ports = 22 2222\n')
        code, answer, _ = fwd.ctl('reload', json=True)
        assert code == 1 and path + ':1: ' in answer['error']['text'], answer
        assert fwd.rules(4) == 'these are my notes\n' and '2222' not in fwd.confirmed()
        assert not [l for l in saves.rules(bed) if '2222' in l], 'a reload that was refused is in force'
        write(want.replace('COMMIT', 'COMMIT and so on') + 'garbage\n')
        code, answer, _ = fwd.ctl('disable', json=True)
        assert code == 1 and re.search(re.escape(path) + r':\d+: ', answer['error']['text']), answer
        assert fwd.rules(4).endswith('garbage\n')
        assert '-A INPUT -j FWD-INPUT' in saves.rules(bed), 'a disable that was refused disabled'
        os.unlink(path)
        fwd.restart()
        assert fwd.rules(4) == want
