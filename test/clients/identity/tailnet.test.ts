import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'

import { tailnetWatch } from '../../../src/clients/identity/tailnet.ts'
import { FakeClock } from '../../support/fake-clock.ts'

test('an interface with an address of a tailnet is found, and looked for once a minute', () => {
  const clock = new FakeClock()
  let address = '192.168.1.2'
  let looks = 0
  const interfaces = () => {
    looks += 1
    return { tailscale0: [{ address } as NetworkInterfaceInfo] }
  }
  const isInTailnet = tailnetWatch(clock.now, interfaces)
  assert.equal(isInTailnet(), false)
  for (address of ['100.101.102.103', 'fd7a:115c:a1e0::1']) {
    clock.advance(59_999)
    const before = isInTailnet()
    clock.advance(1)
    assert.equal(isInTailnet(), true)
    assert.equal(before, address !== '100.101.102.103')
  }
  assert.equal(looks, 3)
  address = '100.128.0.1'
  clock.advance(60_000)
  assert.equal(isInTailnet(), false)
})
