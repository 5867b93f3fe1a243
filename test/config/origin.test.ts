import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { corsOriginFault, hostHeaderFault, wideOrigin } from '../../src/config/origin.ts'
import { normalOrigin } from '../../src/http/origin.ts'

const good = [
  'http://localhost:*',
  'http://localhost',
  'https://app.example.com:8443',
  'http://[::1]:*',
  'app://obsidian.md',
  'tauri://localhost',
  'vscode-webview://abc123',
  'chrome-extension://abcdefgh',
  'app://-',
  'app://.',
  'file://',
  'vscode-webview://*',
  'chrome-extension://*',
  'moz-extension://*',
]
const bad = [
  '*',
  'http://*',
  'https://*.example.com',
  'null',
  '/^http:.*$/',
  'http://.*',
  'localhost:3000',
  'http://localhost/',
  'http://localhost/path',
  'http://user@localhost',
  'http://localhost:',
  'http://localhost:0',
  'http://localhost:99999',
  'http://localhost:**',
  'http://[::1',
  'http://[zz]:1',
  'http://local host',
  'http://a.example\n',
  'http://',
  'http://-',
  'https://.',
  'HTTPS://*',
  'http://*:3000',
  'file://*',
  'file://x/',
  'app://',
  'app://*.x',
  'app://*/',
  '',
]

describe('an origin is taken:', () => {
  for (const origin of good) test(origin, () => assert.equal(corsOriginFault(origin), undefined))
})

describe('an origin is refused:', () => {
  for (const origin of bad)
    test(JSON.stringify(origin), () => assert.notEqual(corsOriginFault(origin), undefined))
})

test('a refused * says what to set', () => {
  assert.match(corsOriginFault('*')?.hint ?? '', /cors\.allow_all/)
})

test('an origin that lets in more than one page or app is known as wide', () => {
  for (const origin of ['file://', 'vscode-webview://*', 'CHROME-EXTENSION://*'])
    assert.ok(wideOrigin(origin), origin)
  for (const origin of ['http://localhost:*', 'app://-', 'chrome-extension://abc']) {
    assert.equal(wideOrigin(origin), undefined, origin)
  }
})

test('an origin becomes what a browser sends', () => {
  assert.equal(normalOrigin('HTTP://Localhost:80'), 'http://localhost')
  assert.equal(normalOrigin('https://a.example:443'), 'https://a.example')
  assert.equal(normalOrigin('http://a.example:443'), 'http://a.example:443')
  assert.equal(normalOrigin('http://localhost:*'), 'http://localhost:*')
})

test('a Host is a host with or without a port, and no wildcard', () => {
  for (const host of ['llm.example.com', 'llm.example.com:443', '[fd00::1]:80']) {
    assert.equal(hostHeaderFault(host), undefined, host)
  }
  for (const host of ['*.example.com', 'a:*', 'http://a', 'a/b', 'a@b', 'a b', '', '[::1', 'a:0']) {
    assert.notEqual(hostHeaderFault(host), undefined, host)
  }
})
