import assert from 'node:assert/strict'
import { test } from 'node:test'

import { asCidr, cidrFault, listenHostFault } from '../../src/config/addresses.ts'
import { reachOf } from '../../src/platform/address-reach.ts'

test('an address is told by where it leads', () => {
  const expected = {
    '127.0.0.1': 'loopback',
    '127.255.255.254': 'loopback',
    '::1': 'loopback',
    '::ffff:127.0.0.1': 'loopback',
    '10.0.0.1': 'private',
    '172.31.0.1': 'private',
    '172.32.0.1': 'public',
    '192.168.0.1': 'private',
    '100.64.0.1': 'private',
    'fd00::1': 'private',
    '169.254.169.254': 'link-local',
    'fe80::1': 'link-local',
    'fd00:ec2::254': 'link-local',
    'fd00:ec2::253': 'private',
    '0.0.0.0': 'unspecified',
    '::': 'unspecified',
    '8.8.8.8': 'public',
    '2001:db8::1': 'public',
    localhost: undefined,
    '127.1': undefined,
  }
  const found = Object.fromEntries(Object.keys(expected).map((address) => [address, reachOf(address)]))
  assert.deepEqual(found, expected)
})

test('only literal loopback addresses can be listened on', () => {
  for (const host of ['127.0.0.1', '127.0.0.53', '::1', '0:0:0:0:0:0:0:1']) {
    assert.equal(listenHostFault(host), undefined, host)
  }
  for (const host of [
    'localhost',
    '0.0.0.0',
    '::',
    '192.168.0.1',
    '[::1]',
    '127.1',
    '',
    '::ffff:127.0.0.1',
    'fe80::1%lo',
  ]) {
    assert.notEqual(listenHostFault(host), undefined, host)
  }
})

test('a refused listener is told the other ways in', () => {
  assert.match(listenHostFault('0.0.0.0')?.hint ?? '', /ssh -L.*VPN.*proxy/)
})

test('CIDRs and addresses are taken, names and bad prefixes are not', () => {
  for (const cidr of ['10.0.0.0/8', '10.0.0.1', '::1', 'fd00::/8', '0.0.0.0/0', '::/128']) {
    assert.equal(cidrFault(cidr), undefined, cidr)
  }
  for (const cidr of [
    '10.0.0.0/33',
    '10.0.0/8',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/-1',
    'a/8',
    '/8',
    '',
    'fe80::1%lo',
  ]) {
    assert.notEqual(cidrFault(cidr), undefined, cidr)
  }
})

test('an address is the CIDR of itself', () => {
  assert.deepEqual(['10.0.0.1', '::1', '10.0.0.0/8'].map(asCidr), ['10.0.0.1/32', '::1/128', '10.0.0.0/8'])
})
