# SPDX-License-Identifier: GPL-2.0-or-later
"""What iptables-save, ip6tables-save, ipset save and nft print of a namespace, without what moves by itself."""
import difflib
import re
import socket
import struct

RELEASES = ('bookworm', 'trixie')
SAVES = {4: 'iptables-save', 6: 'ip6tables-save'}
TOOLS = {4: 'iptables', 6: 'ip6tables'}
OUR_SETS = ('whitelist', 'whitelist6', 'fwd-')
NETLINK_NETFILTER, GETGEN, GEN_ID = 12, 10 << 8 | 16, 1


def same(got, want, what):
    if got != want:
        raise AssertionError('%s:\n%s' % (what, '\n'.join(difflib.unified_diff(want, got, 'expected', 'got', lineterm=''))))


def rules(bed, family=4, release='bookworm', name='host'):
    """iptables-save's lines; counters and the two lines with version and time are left out."""
    out = bed.root(name, [SAVES[family]], release=release).stdout
    return [re.sub(r' \[\d+:\d+\]$', '', line) for line in out.splitlines() if not line.startswith('#')]


def sets(bed, release='bookworm', name='host', only=None):
    """ipset save's lines. Entries of a set are sorted: their order hangs on the random initval. What is left of a timeout is
    LEFT, an end EPOCH, counters N. @only: of sets whose names begin so."""
    out = bed.root(name, ['ipset', 'save'], release=release).stdout
    lines = []
    for line in out.splitlines():
        line = re.sub(r' initval 0x[0-9a-f]{8}$', ' initval RANDOM', line)
        line = re.sub(r' packets \d+ bytes \d+', ' packets N bytes N', line)
        line = re.sub(r'\buntil=\d+', 'until=EPOCH', line)
        if line.startswith('add '):
            line = re.sub(r' timeout [1-9]\d*', ' timeout LEFT', line)
        lines.append(line)
    made = [line.split()[1] for line in lines if line.startswith('create ')]
    lines.sort(key=lambda line: (made.index(line.split()[1]), line.startswith('add '), line))
    return [line for line in lines if only is None or line.split()[1].startswith(only)]


def foreign(bed, tables=()):
    """Everything that is not ours, as it is to stay: rules of both families and sets by their own tools, and the same rules by
    nft with their handles (who deletes a rule and makes it anew is found out). @tables: nft's own, as 'inet mine'."""
    text = []
    for family in SAVES:
        ours = lambda line: re.search(r'\bFWD-', line)
        text += [re.sub(r'^:(INPUT|FORWARD) \w+$', r':\1', line) for line in rules(bed, family) if not ours(line)]
        kind = 'ip' if family == 4 else 'ip6'
        for table in re.findall(r'^table %s (\w+)$' % kind, bed.root('host', ['nft', 'list', 'tables']).stdout, re.M):
            text += _nft_chains(bed, '%s %s' % (kind, table))
    text += [line for line in bed.root('host', ['ipset', 'save']).stdout.splitlines()
             if not line.split()[1].startswith(OUR_SETS)]
    for table in tables:
        text += bed.root('host', ['nft', '-s', '-a', 'list', 'table', *table.split()]).stdout.splitlines()
    return text


def _nft_chains(bed, table):
    """The rules of every chain but ours, with handles and without counters."""
    lines, ours = [], False
    for line in bed.root('host', ['nft', '-s', '-a', 'list', 'table', *table.split()]).stdout.splitlines():
        if line == '}' or line.startswith('\tchain '):
            ours = line.startswith('\tchain FWD-')
        if not ours and 'FWD-' not in line and line.strip() and not re.match(r'\t\ttype filter hook (input|forward)', line):
            lines.append(line)
    return lines


def generation(bed, name='host'):
    """The id that nf_tables counts up with every commit."""
    with bed.ns(name):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    with sock:
        sock.bind((0, 0))
        sock.settimeout(5)
        sock.send(struct.pack('=IHHII', 20, GETGEN, 1, 1, 0) + bytes(4))
        data = sock.recv(65536)[20:]
    while data:
        length, kind = struct.unpack_from('=HH', data)
        if kind == GEN_ID:
            return struct.unpack_from('>I', data, 4)[0]
        data = data[(length + 3) & ~3:]
    raise AssertionError('the kernel told no generation')
