import assert from 'node:assert/strict'
import { test } from 'node:test'

import { fill, renderUnits, type UnitFacts } from '../../src/systemd/units.ts'

const facts: UnitFacts = {
  node: '/opt/node',
  main: '/opt/llm-gateway/dist/main.cjs',
  config: '/etc/llm-gateway/llm-gateway.yaml',
  state: '/var/lib/llm-gateway',
  credentials: '/etc/llm-gateway/credentials',
  hosts: ['127.0.0.1', '::1'],
  port: 4000,
}

for (const scope of ['user', 'system'] as const) {
  test(`nothing is left to fill in the ${scope} units`, () => {
    for (const { name, text } of renderUnits(scope, facts)) {
      const lines = text.split('\n').filter((line) => !line.startsWith('#'))
      assert.doesNotMatch(lines.join('\n'), /@[a-z]+@/, name)
    }
  })
}

test('paths with blanks, quotes, % and $ stay one word', () => {
  const odd = { ...facts, node: '/opt/my node', config: '/etc/100%/"$x"', state: '/var/a b' }
  const text = fill(
    'ExecStart=@node@ --x @config@\nEnvironment=S=@state@\nReadWritePaths=-@state@ -%h/x',
    odd,
  )
  assert.equal(
    text,
    'ExecStart="/opt/my node" --x "/etc/100%%/\\"$$x\\""\nEnvironment="S=/var/a b"\nReadWritePaths="-/var/a b" -%h/x',
  )
})

test("the configuration's addresses take the place of the template's", () => {
  const template = 'ListenStream=127.0.0.1:4000\nListenStream=[::1]:4000\nListenStream=%t/api.sock'
  const text = fill(template, { ...facts, hosts: ['127.0.0.2', '::1'], port: 4711 })
  assert.equal(text, 'ListenStream=127.0.0.2:4711\nListenStream=[::1]:4711\nListenStream=%t/api.sock')
})

test('comments are not filled in, and system groups of calls are not taken for names', () => {
  const template = '# the @words@ and @node@\nSystemCallFilter=~@privileged @resources'
  assert.equal(fill(template, facts), template)
})

test('homes are hidden, and a package in a home is the one thing seen of them', () => {
  assert.equal(fill('@home@', facts), 'ProtectHome=yes')
  const inHome = { ...facts, main: '/home/alice/llm-gateway/src/main.ts', node: '/usr/bin/node' }
  assert.equal(fill('@home@', inHome), 'ProtectHome=tmpfs\nBindReadOnlyPaths=/home/alice/llm-gateway')
  const config = '/home/alice/my files/gateway.yaml'
  assert.equal(
    fill('@home@', { ...facts, config }),
    `ProtectHome=tmpfs\nBindReadOnlyPaths="${config}" "-/home/alice/my files/secrets"`,
  )
})
