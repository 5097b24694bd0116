#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Golden pairs of fwctl: NAME.json (a command line and what a daemon answers) -> NAME.ok (what it was asked, what a person
reads, the exit code). run.py FWCTL [NAME...]; UPDATE=1 writes the .ok files.

NAME.json: args; answers: one per request, in order. An answer may carry "_entries" (the passed file's lines) and "_fill" (so
many bytes more), be a string (sent as it is; without a newline the daemon hangs up behind it), or null (it hangs up at once).
env; tty: run on a terminal; stdin; files: name -> text in the directory @DIR@; show: files to show afterwards; from: show who
asked, too. "@+60" is 60 s from now."""
import array, json, os, pty, re, shutil, socket, stat, struct, subprocess, sys, tempfile, termios, threading, time, fcntl

HERE = os.path.dirname(os.path.abspath(__file__))
DEADLINE = 60
# stands beside the copy of fwctl as ../sbin/fwd: checks ("bad" is an error in line 2), and shows what rescue passes on
FAKE_FWD = '''#!/bin/sh
if [ "$1" = -n ]; then
	! grep -q bad "$3" || { echo "$3:2: bad is no good"; exit 1; }
else
	echo "fwd $*"
fi
'''


def times(value, now):
    if isinstance(value, dict):
        return {k: times(v, now) for k, v in value.items()}
    if isinstance(value, list):
        return [times(v, now) for v in value]
    if isinstance(value, str) and re.fullmatch(r'@[+-]\d+', value):
        return now + int(value[1:])
    return value


class Daemon(threading.Thread):
    def __init__(self, path, answers, show_from):
        super().__init__(daemon=True)
        self.answers, self.show_from, self.asked = list(answers), show_from, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        self.socket.listen(4)

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            with client, client.makefile('rb') as lines:
                for line in lines:
                    if not self.serve(client, json.loads(line)):
                        break

    def serve(self, client, request):
        if not self.show_from:
            request.pop('from', None)
        self.asked.append(json.dumps(request, ensure_ascii=False))
        answer = self.answers.pop(0) if self.answers else None
        if answer is None:
            return False
        ancillary = []
        if isinstance(answer, dict):
            entries = answer.pop('_entries', None)
            if '_fill' in answer:
                answer['fill'] = 'x' * answer.pop('_fill')
            if entries is not None:
                fd = os.memfd_create('entries')
                os.write(fd, ''.join(json.dumps(e) + '\n' for e in entries).encode())
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))]
            answer = json.dumps(answer) + '\n'
        try:
            sent = client.sendmsg([answer.encode()], ancillary)
            client.sendall(answer.encode()[sent:])
        except OSError:  # it had enough
            return False
        for _, _, fds in ancillary:
            os.close(fds[0])
        return answer.endswith('\n')


def run_on_terminal(argv, env, stdin):
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 100, 0, 0))
    process = subprocess.Popen(argv, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    os.write(master, stdin.encode())
    out = b''
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        if not piece:
            break
        out += piece
    code = process.wait(DEADLINE)
    os.close(master)
    return out.decode().replace('\r\n', '\n').replace('\033', '\\e'), '', code


def run_case(case, fwctl):
    with tempfile.TemporaryDirectory(prefix='fwctl.') as top:
        for sub in ('bin', 'sbin', 'dir'):
            os.mkdir(f'{top}/{sub}')
        shutil.copy(fwctl, f'{top}/bin/fwctl')
        with open(f'{top}/sbin/fwd', 'w') as f:
            f.write(FAKE_FWD)
        os.chmod(f'{top}/sbin/fwd', 0o755)
        here = lambda text: text.replace('@DIR@', f'{top}/dir')
        for name, text in case.get('files', {}).items():
            with open(f'{top}/dir/{name}', 'w') as f:
                f.write(here(text))
            os.chmod(f'{top}/dir/{name}', 0o755 if text.startswith('#!') else 0o640)
        now = int(time.time())
        daemon = Daemon(f'{top}/socket', times(case['answers'], now), case.get('from')) if 'answers' in case else None
        if daemon:
            daemon.start()
        env = {'PATH': os.environ['PATH'], 'TERM': 'xterm'}
        for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS', 'LSAN_OPTIONS'):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update({k: here(v) for k, v in case.get('env', {}).items()})
        argv = [f'{top}/bin/fwctl', '--socket', f'{top}/socket'] + [here(a) for a in case['args']]
        if case.get('tty'):
            out, err, code = run_on_terminal(argv, env, case.get('stdin', ''))
        else:
            done = subprocess.run(argv, env=env, input=case.get('stdin', '').encode(), capture_output=True, timeout=DEADLINE,
                                  start_new_session=True)
            out, err, code = done.stdout.decode(), done.stderr.decode(), done.returncode
        if daemon:
            daemon.socket.shutdown(socket.SHUT_RDWR)
            daemon.join(DEADLINE)
        text = '$ fwctl ' + ' '.join(a if re.fullmatch(r'[\w@./:=,-]+', a) else repr(a) for a in case['args']) + '\n'
        text += ''.join(f'> {line}\n' for line in (daemon.asked if daemon else []))
        text += out + ('' if not err else '--- stderr\n' + err) + f'--- exit {code}\n'
        for name in case.get('show', []):
            path = f'{top}/dir/{name}'
            with open(path) as f:
                text += f'--- {name} {stat.S_IMODE(os.stat(path).st_mode):o}\n{f.read()}'
        left = [n for n in sorted(os.listdir(f'{top}/dir')) if n not in case.get('files', {})]
        text += ''.join(f'--- left behind: {n}\n' for n in left)
        text = text.replace(f'{top}/dir', '@DIR@').replace(top, '@TOP@')
        text = re.sub(r'(fwd\.conf)\.[A-Za-z0-9]{6}\b', r'\1.XXXXXX', text)
        return re.sub(rf'\b{now // 100000}\d{{5}}\b', 'EPOCH', text)


def main():
    fwctl, wanted = os.path.abspath(sys.argv[1]), sys.argv[2:]
    names = wanted or sorted(n[:-5] for n in os.listdir(HERE) if n.endswith('.json'))
    print(f'1..{len(names)}')
    failed = 0
    for number, name in enumerate(names, 1):
        with open(f'{HERE}/{name}.json') as f:
            got = run_case(json.load(f), fwctl)
        path = f'{HERE}/{name}.ok'
        if os.environ.get('UPDATE'):
            with open(path, 'w') as f:
                f.write(got)
        wish = open(path).read() if os.path.exists(path) else ''
        if got == wish:
            print(f'ok {number} - {name}')
            continue
        failed += 1
        print(f'not ok {number} - {name}')
        for line in got.splitlines():
            print('#  ' + line)
    return failed != 0


if __name__ == '__main__':
    sys.exit(main())
