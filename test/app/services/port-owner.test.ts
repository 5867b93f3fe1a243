import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { endianness } from 'node:os'
import { test } from 'node:test'

import { portOwner } from '../../../src/app/services/port-owner.ts'

const v4 = (address: string) =>
  endianness() === 'LE' ? address : address.match(/../g)!.toReversed().join('')
const loopback = v4('0100007F')
const any4 = '00000000'
const any6 = '0'.repeat(32)
const loopback6 = `${'0'.repeat(24)}${endianness() === 'LE' ? '01000000' : '00000001'}`

/** Port 8081. */
function table(...rows: readonly (readonly [address: string, uid: number, state?: string])[]): string {
  const lines = rows.map(
    ([address, uid, state = '0A'], index) =>
      `   ${index}: ${address}:1F91 ${'0'.repeat(address.length)}:0000 ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${4711 + index} 1`,
  )
  return ['  sl  local_address rem_address   st', ...lines].join('\n')
}

const whole = '         0          0 4294967295\n'
const ownOnly = '      1000       1000          1\n'

function ownerOf(
  tcp: ReturnType<typeof table>,
  { tcp6 = table(), origin = 'http://127.0.0.1:8081', uid = 1000, uidMap = whole } = {},
) {
  const of = (lines: string) => () => ({ lines, uidMap })
  return portOwner(origin, uid, { tcp: of(tcp), tcp6: of(tcp6) })
}

test("the unit's user and root may listen, another user may not", () => {
  assert.equal(ownerOf(table([loopback, 1000])), 'own')
  assert.equal(ownerOf(table([any4, 1000])), 'own')
  assert.equal(ownerOf(table([loopback, 0])), 'own')
  assert.equal(ownerOf(table([loopback, 1001])), 'foreign')
  assert.equal(ownerOf(table([any4, 1001])), 'foreign')
})

test('what does not listen there does not count', () => {
  assert.equal(ownerOf(table()), 'none')
  assert.equal(ownerOf(table([loopback, 1000, '01'])), 'none')
  assert.equal(ownerOf(table([loopback, 1000]), { origin: 'http://127.0.0.1:8082' }), 'none')
  assert.equal(ownerOf(table([v4('0200007F'), 1001], [loopback, 1000])), 'own')
})

test('the socket at the address itself receives the connection', () => {
  assert.equal(ownerOf(table([any4, 1000], [loopback, 1001])), 'foreign')
  assert.equal(ownerOf(table([any4, 1001], [loopback, 1000])), 'own')
  assert.equal(ownerOf(table(), { tcp6: table([any6, 1001]) }), 'foreign')
  assert.equal(ownerOf(table([any4, 1000]), { tcp6: table([any6, 1001]) }), 'own')
  const origin = 'http://[::1]:8081'
  assert.equal(ownerOf(table([any4, 1001]), { origin, tcp6: table([loopback6, 1000]) }), 'own')
})

test('of a name, both addresses count', () => {
  const origin = 'http://localhost:8081'
  assert.equal(ownerOf(table([loopback, 1000]), { origin }), 'own')
  assert.equal(ownerOf(table([loopback, 1000]), { origin, tcp6: table([loopback6, 1001]) }), 'foreign')
})

test('in a user namespace, every other user is nobody', () => {
  assert.equal(ownerOf(table([loopback, 1000]), { uidMap: ownOnly }), 'own')
  assert.equal(ownerOf(table([loopback, 65_534]), { uidMap: ownOnly }), 'foreign')
  assert.equal(ownerOf(table([loopback, 65_534]), { uidMap: ownOnly, uid: 988 }), 'own')
})

test('the tables of this machine', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  assert.equal(portOwner(origin, process.getuid!()), 'own')
  // As root, everything that this process opens is root's.
  if (process.getuid!() !== 0) assert.equal(portOwner(origin, 1), 'foreign')
})
