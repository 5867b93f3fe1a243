import assert from 'node:assert/strict'
import { test } from 'node:test'

import {
  resetCommand,
  showCommand,
  startCommand,
  stopCommand,
} from '../../../src/systemd/starter/unit-commands.ts'

const unit = { service: 'qwen', unit: 'llama-server@qwen.service' }
const run = { command: ['/usr/bin/server', '--port', '8083'], environment: new Map<string, string>() }
const transient = { service: 'whisper', unit: 'llm-gateway-run-whisper.service', run }

test("a unit is started and stopped by its name in the user's manager or the machine's", () => {
  const options = ['--no-block', '--no-ask-password', '--', unit.unit]
  assert.deepEqual(startCommand('user', unit), {
    program: 'systemctl',
    args: ['--user', 'start', ...options],
  })
  assert.deepEqual(startCommand('system', unit), { program: 'systemctl', args: ['start', ...options] })
  assert.deepEqual(stopCommand('system', unit), { program: 'systemctl', args: ['stop', ...options] })
  assert.deepEqual(resetCommand('user', transient).args, ['--user', 'reset-failed', '--', transient.unit])
})

test('all units are shown in one run', () => {
  const { program, args } = showCommand('user', ['a.service', 'b.service'])
  assert.equal(program, 'systemctl')
  assert.deepEqual(args.slice(-3), ['--', 'a.service', 'b.service'])
})

test('of a command, every word is an argument of its own, and a $ is doubled but in the path', () => {
  const command = ['/opt/$x/server', '--name', '$HOME ${A} $$', '%n', '--unit=other.service', ';']
  const { program, args } = startCommand('user', { ...transient, run: { ...run, command } })
  assert.equal(program, 'systemd-run')
  assert.deepEqual(args.slice(args.indexOf('--') + 1), [
    '/opt/$x/server',
    '--name',
    '$$HOME $${A} $$$$',
    '%n',
    '--unit=other.service',
    ';',
  ])
})

test('environment, directory and memory are options before the command', () => {
  const environment = new Map([
    ['A', '1'],
    ['B', 'x y=$z'],
    ['LD_LIBRARY_PATH', '/opt/lib'],
  ])
  const full = { ...run, environment, workingDirectory: '/models', memoryMax: '4G' }
  const { args, environment: passed } = startCommand('user', { ...transient, run: full })
  const options = args.slice(0, args.indexOf('--'))
  for (const option of [
    '--user',
    `--unit=${transient.unit}`,
    '--no-block',
    '--setenv=A',
    '--setenv=B',
    '--setenv=LD_LIBRARY_PATH=/opt/lib',
    '--working-directory=/models',
    '--property=MemoryMax=4G',
    '--property=NoNewPrivileges=yes',
    '--property=LimitCORE=0',
  ]) {
    assert.ok(options.includes(option), option)
  }
  // Every user of the machine can read arguments.
  assert.deepEqual(passed && Object.fromEntries(passed), { A: '1', B: 'x y=$z' })
  const bare = startCommand('user', transient).args
  assert.ok(!bare.some((word) => /^--(?:setenv|working-directory)|MemoryMax/.test(word)))
})
