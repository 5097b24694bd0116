# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives as a hostile or broken mirror might serve them: bad() gives (name, bytes, part of the reason), good() those that
are taken."""
import gzip
import io
import struct
import tarfile

BIG = 10 << 20


def member(name='file', data=b'x', mode=0o644, type=tarfile.REGTYPE, link='', uid=0, gid=0, **pax):
    info = tarfile.TarInfo(name)
    info.size = len(data) if type == tarfile.REGTYPE else 0
    info.mode, info.type, info.linkname, info.uid, info.gid = mode, type, link, uid, gid
    info.pax_headers = pax
    return info, data


def tar(*members, format=tarfile.PAX_FORMAT, end=True):
    out = io.BytesIO()
    archive = tarfile.open(fileobj=out, mode='w', format=format)
    for info, data in members:
        archive.addfile(info, io.BytesIO(data) if info.size else None)
    if not end:
        return out.getvalue()
    archive.close()
    return out.getvalue()


def gz(*members, **kw):
    return gzip.compress(tar(*members, **kw), 6, mtime=0)


def header(**fields):
    """A ustar header with raw fields in place."""
    block = bytearray(tar(member(data=b''))[:512])
    places = {'name': (0, 100), 'mode': (100, 8), 'uid': (108, 8), 'gid': (116, 8), 'size': (124, 12), 'type': (156, 1),
              'link': (157, 100), 'magic': (257, 8), 'prefix': (345, 155)}
    for name, value in fields.items():
        at, size = places[name]
        block[at:at + size] = value.ljust(size, b'\0')[:size]
    block[148:156] = b' ' * 8
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block)


def link(target, name='link'):
    return gz(member(name, type=tarfile.SYMTYPE, link=target))


def node(kind):
    return gz(member('node', type=kind))


def sparse_bomb():
    """A GNU sparse member that claims 100 GiB and carries nothing."""
    block = bytearray(header(type=b'S', size=b'00000000000\0', magic=b'ustar  \0'))
    block[386:398] = struct.pack('>BxxxQ', 0x80, 100 << 30)
    block[398:410] = b'00000000000\0'
    block[483:495] = struct.pack('>BxxxQ', 0x80, 100 << 30)
    block[148:156] = b' ' * 8
    block[148:156] = b'%06o\0 ' % sum(block)
    return bytes(block) + bytes(1024)


def bad():
    whole = gz(member('a', b'a' * 5000), member('b', bytes(range(256)) * 400))
    plain = tar(member('a', b'a' * 5000), member('b'))
    yield 'absolute', gz(member('/etc/evil')), 'no name'
    yield 'absolute-deep', gz(member('//etc/evil')), 'no name'
    yield 'dotdot', gz(member('../evil')), 'no name'
    yield 'dotdot-middle', gz(member('a/../../evil')), 'no name'
    yield 'dotdot-end', gz(member('a/..')), 'no name'
    yield 'dotdot-directory', gz(member('..', type=tarfile.DIRTYPE)), 'no name'
    yield 'dot-dotdot', gz(member('./../evil')), 'no name'
    yield 'dot-middle', gz(member('a/./b')), 'no name'
    yield 'dot-absolute', gz(member('.//etc/evil')), 'no name'
    yield 'double-slash', gz(member('a//b')), 'no name'
    yield 'empty-name', header(name=b'') + bytes(1024), 'no name'
    yield 'newline', gz(member('a\nb')), 'no name'
    yield 'escape', gz(member('a\033[2Jb')), 'no name'
    yield 'blank', gz(member('a b')), 'no name'
    yield 'backslash', gz(member('..\\evil')), 'no name'
    yield 'unicode', gz(member('n\u00e4rdctl')), ''
    yield 'latin1', header(name=b'n\xe4rdctl', size=b'00000000000') + bytes(1024), ''
    yield 'long-part', gz(member('x' * 129)), 'no name'
    yield 'long-name', gz(member('/'.join(['x' * 100] * 6))), 'no name'
    yield 'long-gnu-name', gz(member('x' * 60000), format=tarfile.GNU_FORMAT), 'no name'
    yield 'endless-gnu-name', header(type=b'L', size=b'77777777777') + bytes(4096), 'cannot be read'
    yield 'deep', gz(member('/'.join('abcdefghi'))), 'no name'
    yield 'prefix', header(prefix=b'..', name=b'evil', magic=b'ustar\x0000') + bytes(1024), 'no name'
    yield 'pax-path', gz(member('good', path='../evil')), 'no name'
    yield 'link-absolute', link('/etc/shadow'), 'may lead out'
    yield 'link-out', link('../evil'), 'may lead out'
    yield 'link-out-behind', link('a/../../evil'), 'may lead out'
    yield 'link-dotdot-inside', gz(member('d/e', type=tarfile.SYMTYPE, link='../f')), 'may lead out'
    yield 'link-empty', header(type=b'2', name=b'link') + bytes(1024), 'may lead out'
    yield 'link-dot', link('.'), 'may lead out'
    yield 'link-pax', gz(member('l', type=tarfile.SYMTYPE, link='good', linkpath='/etc')), 'may lead out'
    yield 'through-a-link', gz(member('d', type=tarfile.SYMTYPE, link='e'), member('e', type=tarfile.DIRTYPE), member('d/evil')), 'd/evil'
    yield 'over-a-link', gz(member('d', type=tarfile.SYMTYPE, link='e'), member('d')), 'twice'
    yield 'hard-link', gz(member('a'), member('b', type=tarfile.LNKTYPE, link='a')), 'hard link'
    yield 'hard-link-out', gz(member('b', type=tarfile.LNKTYPE, link='/etc/shadow')), 'hard link'
    yield 'character-device', node(tarfile.CHRTYPE), 'neither file'
    yield 'block-device', node(tarfile.BLKTYPE), 'neither file'
    yield 'pipe', node(tarfile.FIFOTYPE), 'neither file'
    yield 'setuid', gz(member(mode=0o4755)), 'setuid'
    yield 'setgid', gz(member(mode=0o2755)), 'setuid'
    yield 'sticky', gz(member('d', type=tarfile.DIRTYPE, mode=0o1777)), 'setuid'
    yield 'setgid-directory', gz(member('.', type=tarfile.DIRTYPE, mode=0o2755)), 'setuid'
    yield 'owner', gz(member(uid=1000)), 'not owned by root'
    yield 'group', gz(member(gid=1000)), 'not owned by root'
    yield 'owner-of-the-whole', gz(member('./', type=tarfile.DIRTYPE, uid=1001), member()), 'not owned by root'
    yield 'owner-negative', header(uid=b'\xff' * 8) + bytes(1024), ''
    yield 'capability', gz(member(**{'SCHILY.xattr.security.capability': '\x01\x00\x00\x02\x00\x04'})), 'attributes'
    yield 'acl', gz(member(**{'SCHILY.acl.access': 'user::rwx,user:1000:rwx,group::r-x,mask::rwx,other::r-x'})), 'ACL'
    yield 'twice', gz(member('a', b'1'), member('a', b'2')), 'twice'
    yield 'twice-dotted', gz(member('a', b'1'), member('./a', b'2')), 'twice'
    yield 'file-over-directory', gz(member('a', type=tarfile.DIRTYPE), member('a')), 'twice'
    yield 'directory-over-file', gz(member('a'), member('a', type=tarfile.DIRTYPE)), 'twice'
    yield 'below-a-file', gz(member('a'), member('a/b')), 'a/b'
    yield 'too-many', gz(*[member('f%d' % i, b'') for i in range(101)]), 'more than 100 members'
    yield 'too-large', gz(member(data=bytes(BIG + 1))), 'too large'
    yield 'too-large-together', gz(*[member('f%d' % i, bytes(BIG)) for i in range(3)]), 'too much'
    yield 'sparse-bomb', sparse_bomb(), 'too large'
    yield 'size-lies', header(size=b'77777777777') + bytes(1024), 'too large'
    yield 'size-beyond-the-end', header(size=b'00000010000') + bytes(1024), 'cannot be read'
    yield 'size-negative', header(size=b'\xff' * 12) + bytes(1024), ''
    yield 'empty', b'', ''
    yield 'no-members', gzip.compress(bytes(1024)), 'empty'
    yield 'no-tar', b'<html><body>404</body></html>\n' * 100, ''
    yield 'no-tar-in-gzip', gzip.compress(b'<html>404</html>' * 100), ''
    yield 'zip', b'PK\x03\x04' + bytes(600), ''
    yield 'cut-gzip', whole[:len(whole) // 2], 'cannot be read'
    yield 'cut-tar', plain[:3000], 'cannot be read'
    yield 'cut-header', plain[:700], ''
    yield 'checksum', plain[:100] + b'9' + plain[101:], ''
    yield 'broken-gzip', whole[:200] + bytes(64) + whole[264:], ''
    yield 'bzip2', __import__('bz2').compress(plain), ''


def good():
    """name, bytes, {path: (mode, content)}; content None: a directory, a str: a link."""
    yield 'flat', gz(member('nerdctl', b'N' * 70000, 0o755), member('readme', b'r', 0o664)), {
        'nerdctl': (0o755, b'N' * 70000), 'readme': (0o644, b'r')}
    yield 'dotted', gz(member('./', type=tarfile.DIRTYPE, mode=0o700), member('./bridge', b'B', 0o777)), {'bridge': (0o755, b'B')}
    yield 'plain-tar', tar(member('a', b''), format=tarfile.USTAR_FORMAT), {'a': (0o644, b'')}
    yield 'gnu', gz(member('d/' + 'x' * 120, b'1', 0o600), format=tarfile.GNU_FORMAT), {
        'd': (0o755, None), 'd/' + 'x' * 120: (0o644, b'1')}
    yield 'directories', gz(member('d', type=tarfile.DIRTYPE, mode=0o777), member('d/', type=tarfile.DIRTYPE), member('d/e/f', b'1')), {
        'd': (0o755, None), 'd/e': (0o755, None), 'd/e/f': (0o644, b'1')}
    yield 'link', gz(member('d/a', b'1'), member('l', type=tarfile.SYMTYPE, link='d/a', mode=0o777)), {
        'd': (0o755, None), 'd/a': (0o644, b'1'), 'l': (0o777, 'd/a')}
    yield 'limits', gz(*[member('f%d' % i, bytes(BIG)) for i in range(2)], *[member('g%d' % i, b'') for i in range(98)]), None
