# SPDX-License-Identifier: GPL-2.0-or-later
"""An OCI image of one static program, as an archive that `nerdctl load` takes."""
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile

from bed import SOURCE, Skip


def build(path, name='docker.io/library/guest:latest'):
    if not shutil.which('gcc'):
        raise Skip('gcc is not installed')
    program = path + '.guest'
    done = subprocess.run(['gcc', '-O1', '-static', '-o', program, os.path.join(SOURCE, 'tests/host/guest.c')], capture_output=True, text=True)
    if done.returncode:
        raise Skip('no static C library here: ' + done.stderr.strip().splitlines()[-1])
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode='w') as tar:
        for directory in 'etc', 'tmp', 'data', 'rootdir':
            info = tarfile.TarInfo(directory)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        info = tarfile.TarInfo('guest')
        info.mode, info.size = 0o755, os.path.getsize(program)
        with open(program, 'rb') as f:
            tar.addfile(info, f)
    os.unlink(program)
    arch = {'x86_64': 'amd64', 'aarch64': 'arm64'}[os.uname().machine]
    blobs = {}

    def blob(data, media):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {'mediaType': media, 'digest': 'sha256:' + digest, 'size': len(data)}
    raw = layer.getvalue()
    config = {'architecture': arch, 'os': 'linux', 'config': {'Entrypoint': ['/guest'], 'Cmd': ['serve']},
              'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(raw).hexdigest()]}}
    manifest = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
                'config': blob(json.dumps(config).encode(), 'application/vnd.oci.image.config.v1+json'),
                'layers': [blob(gzip.compress(raw, 1, mtime=0), 'application/vnd.oci.image.layer.v1.tar+gzip')]}
    entry = blob(json.dumps(manifest).encode(), 'application/vnd.oci.image.manifest.v1+json')
    entry['annotations'] = {'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': 'latest'}
    files = {'oci-layout': b'{"imageLayoutVersion":"1.0.0"}', 'index.json': json.dumps({'schemaVersion': 2, 'manifests': [entry]}).encode(),
             **{'blobs/sha256/' + digest: data for digest, data in blobs.items()}}
    with tarfile.open(path, 'w') as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
