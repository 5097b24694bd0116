# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets made and read by hand: what a test sends is exactly what it says, whatever the kernel would have made of it."""
import ipaddress
import struct
from types import SimpleNamespace

ICMP, IGMP, TCP, UDP, GRE, ICMP6 = 1, 2, 6, 17, 47, 58
FRAGMENT = 44
PROTOCOLS = {'icmp': ICMP, 'igmp': IGMP, 'tcp': TCP, 'udp': UDP, 'gre': GRE, 'icmp6': ICMP6}
TCP_FLAGS = 'FSRPAU'
EXTENSIONS = (0, 43, 60)  # hop-by-hop, routing, destination options


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def _pseudo(src, dst, proto, length):
    src, dst = ipaddress.ip_address(src).packed, ipaddress.ip_address(dst).packed
    if len(src) == 4:
        return src + dst + struct.pack('!BBH', 0, proto, length)
    return src + dst + struct.pack('!IHBB', length, 0, 0, proto)


def _summed(data, at, pseudo=b''):
    value = checksum(pseudo + data)
    return data[:at] + struct.pack('!H', value) + data[at + 2:]


def ip4(src, dst, proto, payload=b'', ttl=64, ident=1, df=False, more=False, offset=0, tos=0, options=b''):
    """offset in bytes, a multiple of 8; options already padded to a multiple of 4."""
    words = 5 + len(options) // 4
    flags = (0x4000 if df else 0) | (0x2000 if more else 0) | offset // 8
    head = struct.pack('!BBHHHBBH', 0x40 | words, tos, words * 4 + len(payload), ident, flags, ttl, proto, 0)
    head += ipaddress.IPv4Address(src).packed + ipaddress.IPv4Address(dst).packed + options
    return _summed(head, 10) + payload


def ip6(src, dst, nxt, payload=b'', hop=64):
    return (struct.pack('!IHBB', 6 << 28, len(payload), nxt, hop) + ipaddress.IPv6Address(src).packed +
            ipaddress.IPv6Address(dst).packed + payload)


def tcp(src, dst, sport, dport, flags='S', seq=1, ack=0, window=65535, payload=b''):
    bits = sum(1 << TCP_FLAGS.index(f) for f in flags)
    data = struct.pack('!HHIIBBHHH', sport, dport, seq, ack, 5 << 4, bits, window, 0, 0) + payload
    return _summed(data, 16, _pseudo(src, dst, TCP, len(data)))


def udp(src, dst, sport, dport, payload=b''):
    data = struct.pack('!HHHH', sport, dport, 8 + len(payload), 0) + payload
    return _summed(data, 6, _pseudo(src, dst, UDP, len(data)))


def icmp(type, code=0, rest=b'\0\0\0\0', payload=b''):
    return _summed(struct.pack('!BBH', type, code, 0) + rest + payload, 2)


def icmp6(src, dst, type, code=0, rest=b'\0\0\0\0', payload=b''):
    data = struct.pack('!BBH', type, code, 0) + rest + payload
    return _summed(data, 2, _pseudo(src, dst, ICMP6, len(data)))


def make(src, dst, proto='tcp', sport=40000, dport=0, flags='S', seq=1, ack=0, type=8, code=0, rest=b'\0\1\0\1',
         payload=b'', ttl=64, **ip):
    """A whole packet, its family that of @src. @proto by name or number; for a number without a name @payload is what
    follows the IP header. @type, @code and @rest are for ICMP and ICMPv6, @ttl is the hop limit too."""
    number = PROTOCOLS.get(proto, proto)
    v6 = ipaddress.ip_address(src).version == 6
    if number == TCP:
        payload = tcp(src, dst, sport, dport, flags, seq, ack, payload=payload)
    elif number == UDP:
        payload = udp(src, dst, sport, dport, payload)
    elif number == ICMP:
        payload = icmp(type, code, rest, payload)
    elif number == ICMP6:
        payload = icmp6(src, dst, type, code, rest, payload)
    if v6:
        return ip6(src, dst, number, payload, ttl, **ip)
    return ip4(src, dst, number, payload, ttl, **ip)


def fragments(packet, size=32, ident=7):
    """The packet in pieces of @size bytes of payload, a multiple of 8."""
    if packet[0] >> 4 == 4:
        words = packet[0] & 15
        src, dst = ipaddress.IPv4Address(packet[12:16]), ipaddress.IPv4Address(packet[16:20])
        body = packet[words * 4:]
        return [ip4(src, dst, packet[9], body[at:at + size], packet[8], ident, more=at + size < len(body), offset=at)
                for at in range(0, len(body), size)]
    src, dst = ipaddress.IPv6Address(packet[8:24]), ipaddress.IPv6Address(packet[24:40])
    body = packet[40:]
    out = []
    for at in range(0, len(body), size):
        more = 1 if at + size < len(body) else 0
        head = struct.pack('!BBHI', packet[6], 0, at | more, ident)
        out.append(ip6(src, dst, FRAGMENT, head + body[at:at + size], packet[7]))
    return out


def parse(data):
    """Fields of an IPv4 or IPv6 packet; None for what is neither. Missing fields are None. `inner` of an ICMP error is the
    packet that it quotes."""
    p = SimpleNamespace(family=None, src=None, dst=None, proto=None, ttl=None, ident=None, offset=0, more=False, sport=None,
                        dport=None, flags=None, seq=None, ack=None, type=None, code=None, payload=b'', inner=None, raw=data)
    if len(data) >= 20 and data[0] >> 4 == 4:
        p.family, p.proto, p.ttl = 4, data[9], data[8]
        p.ident = struct.unpack('!H', data[4:6])[0]
        frag = struct.unpack('!H', data[6:8])[0]
        p.more, p.offset = bool(frag & 0x2000), (frag & 0x1fff) * 8
        p.src, p.dst = str(ipaddress.IPv4Address(data[12:16])), str(ipaddress.IPv4Address(data[16:20]))
        body = data[(data[0] & 15) * 4:struct.unpack('!H', data[2:4])[0]]
    elif len(data) >= 40 and data[0] >> 4 == 6:
        p.family, p.proto, p.ttl = 6, data[6], data[7]
        p.src, p.dst = str(ipaddress.IPv6Address(data[8:24])), str(ipaddress.IPv6Address(data[24:40]))
        body = data[40:40 + struct.unpack('!H', data[4:6])[0]]
        while p.proto in EXTENSIONS and len(body) >= 8:
            p.proto, body = body[0], body[8 + body[1] * 8:]
        if p.proto == FRAGMENT and len(body) >= 8:
            frag, p.ident = struct.unpack('!HI', body[2:8])
            p.more, p.offset = bool(frag & 1), frag & 0xfff8
            p.proto, body = body[0], body[8:]
    else:
        return None
    p.payload = body
    if not p.offset:
        _parse_upper(p, body)
    return p


def _parse_upper(p, body):
    if p.proto == TCP and len(body) >= 20:
        p.sport, p.dport, p.seq, p.ack = struct.unpack('!HHII', body[:12])
        p.flags = ''.join(f for i, f in enumerate(TCP_FLAGS) if body[13] >> i & 1)
        p.payload = body[(body[12] >> 4) * 4:]
    elif p.proto == UDP and len(body) >= 8:
        p.sport, p.dport = struct.unpack('!HH', body[:4])
        p.payload = body[8:]
    elif p.proto in (ICMP, ICMP6) and len(body) >= 4:
        p.type, p.code = body[0], body[1]
        p.payload = body[8:]
        if p.type in ((3, 4, 5, 11, 12) if p.proto == ICMP else (1, 2, 3, 4)):
            p.inner = parse(p.payload)
