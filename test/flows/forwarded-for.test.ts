// Whose X-Forwarded-For is believed, and which of its addresses is the client.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { systemUsers } from '../../src/platform/unix-users.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'
import { startGateway } from '../support/app.ts'
import { echo, type Setup } from '../support/gateway-config.ts'

const call = (headers: Record<string, string> = {}) =>
  rawRequest('POST /v1/chat/completions', headers, '{"model":"plain","messages":[]}')
const self = `user:${systemUsers().nameOf(process.getuid!()) ?? process.getuid!()}`
const isLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }
/** A number that no account has: never the user who runs the tests. */
const otherUser = '61184'
const open = { access: { allowed_users: ['any'] } }

suite('a trusted proxy’s X-Forwarded-For', isLinux, () => {
  /** By the name of the header, which may come in several lines. */
  const chains: [what: string, headers: Record<string, string>, client: string][] = [
    ['names the client', { 'x-forwarded-for': '203.0.113.9' }, 'ip:203.0.113.9'],
    ['names a client of this machine', { 'x-forwarded-for': '127.0.0.1' }, 'ip:127.0.0.1'],
    ['in IPv6', { 'x-forwarded-for': '2001:db8::7' }, 'ip:2001:db8::7'],
    ['in IPv4 written as IPv6', { 'x-forwarded-for': '::FFFF:203.0.113.9' }, 'ip:203.0.113.9'],
    ['is absent', {}, self],
    ['is empty', { 'x-forwarded-for': '' }, self],
    ['is followed through a CIDR', { 'x-forwarded-for': '203.0.113.9, 10.1.2.3' }, 'ip:203.0.113.9'],
    [
      'is followed through several',
      { 'x-forwarded-for': '203.0.113.9,fd00::1 ,\t10.1.2.3, 10.0.0.1' },
      'ip:203.0.113.9',
    ],
    ['ends where all are proxies', { 'x-forwarded-for': '10.0.0.2, 10.0.0.1' }, 'ip:10.0.0.2'],
    ['is spoofed left of the client', { 'x-forwarded-for': '10.0.0.7, 203.0.113.9' }, 'ip:203.0.113.9'],
    [
      'is spoofed with an address of a proxy',
      { 'x-forwarded-for': '198.51.100.1, 10.0.0.7, 203.0.113.9, 10.0.0.1' },
      'ip:203.0.113.9',
    ],
    ['ends in what is not an address', { 'x-forwarded-for': '203.0.113.9, unknown' }, self],
    ['ends in an address with a port', { 'x-forwarded-for': '203.0.113.9:1234' }, self],
    ['ends in a comma', { 'x-forwarded-for': '203.0.113.9,' }, self],
    ['ends in a CIDR', { 'x-forwarded-for': '203.0.113.0/24' }, self],
    ['has a fault further left', { 'x-forwarded-for': '203.0.113.9, x, 10.0.0.1' }, 'ip:10.0.0.1'],
    [
      'has a fault where nobody looks',
      { 'x-forwarded-for': "'; --, 203.0.113.9, 10.0.0.1" },
      'ip:203.0.113.9',
    ],
    [
      'comes in two lines, the last of which is the nearest',
      { 'x-forwarded-for': '198.51.100.1', 'X-Forwarded-For': '203.0.113.9' },
      'ip:203.0.113.9',
    ],
    [
      'is followed from one line to the one before',
      { 'x-forwarded-for': '198.51.100.1, 203.0.113.9', 'X-Forwarded-For': '10.0.0.1' },
      'ip:203.0.113.9',
    ],
    ['is another header', { forwarded: 'for=203.0.113.9', 'x-real-ip': '203.0.113.9' }, self],
  ]
  for (const [what, headers, client] of chains) {
    test(what, async (t) => {
      const proxies = { server: { trusted_proxies: ['10.0.0.0/8', { user: 'self' }, 'fd00::/8'] } }
      const { gateway } = await startGateway(t, { ...echo, ...proxies })
      assert.equal((await exchange(t, gateway.url, call(headers))).status, 200)
      assert.equal((await gateway.logged({ event: 'call' }))['client'], client)
    })
  }
})

suite('X-Forwarded-For is believed', isLinux, () => {
  const cases: [what: string, setup: Setup, client: string][] = [
    ['of nobody by default', {}, self],
    ['of nobody by default, where everybody is served', open, 'ip:127.0.0.1'],
    ['of the user that is listed', { server: { trusted_proxies: [{ user: 'self' }] } }, 'ip:203.0.113.9'],
    [
      'of that user among all that are served',
      { ...open, server: { trusted_proxies: [{ user: 'self' }] } },
      'ip:203.0.113.9',
    ],
    [
      'not of another user, whatever its address',
      { server: { trusted_proxies: [{ user: otherUser }, '127.0.0.0/8', '::1'] } },
      self,
    ],
    [
      'not of another user among all that are served',
      { ...open, server: { trusted_proxies: [{ user: otherUser }, '127.0.0.0/8'] } },
      'ip:127.0.0.1',
    ],
    ['by each worker', { server: { workers: 2, trusted_proxies: [{ user: 'self' }] } }, 'ip:203.0.113.9'],
  ]
  for (const [what, setup, client] of cases) {
    test(what, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, ...setup })
      await exchange(t, gateway.url, call({ 'x-forwarded-for': '203.0.113.9' }))
      assert.equal((await gateway.logged({ event: 'call' }))['client'], client)
    })
  }

  for (const [what, proxies, headers, client] of [
    ['on the Unix socket', [{ user: otherUser }], { 'x-forwarded-for': '203.0.113.9' }, 'ip:203.0.113.9'],
    [
      'on the Unix socket along the chain',
      [{ user: otherUser }, '10.0.0.0/8'],
      { 'x-forwarded-for': '198.51.100.1, 203.0.113.9, 10.0.0.1' },
      'ip:203.0.113.9',
    ],
    ['on the Unix socket, where it comes', [{ user: otherUser }], {}, self],
    ['not on the Unix socket by default', [], { 'x-forwarded-for': '203.0.113.9' }, self],
  ] as const) {
    test(what, async (t) => {
      const socketPath = join(scratchDirectory(t), 'own', 'llm.sock')
      const server = { unix_socket: socketPath, trusted_proxies: [...proxies] }
      const { gateway } = await startGateway(t, { ...echo, server })
      assert.equal((await exchange(t, { socketPath }, call(headers))).status, 200)
      assert.equal((await gateway.logged({ event: 'call' }))['client'], client)
    })
  }
})

test(
  'a program that is not the proxy does not leave its limit by a new address each time',
  isLinux,
  async (t) => {
    const limits = { rate_limit_settings: { per_client: { rpm: 2 } } }
    const proxies = { server: { trusted_proxies: [{ user: otherUser }, '127.0.0.1/32'] } }
    const { gateway } = await startGateway(t, { ...echo, ...limits, ...proxies }, { clock: new FakeClock() })
    const statuses: number[] = []
    for (const address of ['203.0.113.1', '203.0.113.2', '203.0.113.3']) {
      statuses.push((await exchange(t, gateway.url, call({ 'x-forwarded-for': address }))).status)
    }
    assert.deepEqual(statuses, [200, 200, 429])
    assert.deepEqual([...new Set(gateway.log().flatMap(({ client }) => client ?? []))], [self])
  },
)
