import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { baseUrlFault, baseUrlWarnings, parseBaseUrl } from '../../src/config/base-url.ts'

const listener = { hosts: ['127.0.0.1', '::1'], port: 4000 }
const keyless = { allowHttp: false, hasKey: false }
const keyed = { ...keyless, hasKey: true }

describe('a base URL is taken:', () => {
  const taken = [
    'https://api.openai.com/v1',
    'https://api.example:4000/v1/',
    'http://127.0.0.1:11434/v1',
    'http://127.0.0.2:4000/v1',
    'http://localhost:8000',
    'http://[::1]:8000/v1',
    'http://192.168.1.5/v1',
    'http://10.1.2.3:80/v1',
    'http://100.64.0.1/v1',
    'http://[fd00::1]/v1',
    'https://a.example/openai?api-version=2024-10-21',
    'https://a.example/v1?',
  ]
  for (const url of taken) test(url, () => assert.equal(baseUrlFault(url, listener, keyed), undefined))
})

describe('a base URL is refused:', () => {
  const refused: [url: string, message: RegExp][] = [
    ['api.openai.com/v1', /is not a URL/],
    ['api.openai.com:443/v1', /has no scheme/],
    ['localhost:11434', /has no scheme/],
    ['http:/127.0.0.1/v1', /is not a URL/],
    ['https://', /is not a URL/],
    ['https://a.example/ v1', /is not a URL/],
    ['https:\\\\a.example', /is not a URL/],
    ['file:///etc/passwd', /the scheme "file:"/],
    ['ftp://a.example/v1', /the scheme "ftp:"/],
    ['https://user:pw@a.example/v1', /user name or password/],
    ['https://@a.example/v1', /user name or password/],
    ['https://a.example/v1?key=x', /query must not contain a key/],
    ['https://a.example/v1?a=b&API_Key=x', /query must not contain a key/],
    ['https://a.example/v1?subscription-key=x', /query must not contain a key/],
    ['https://a.example/v1#x', /fragment/],
    ['http://a.example/v1', /unencrypted/],
    ['http://8.8.8.8/v1', /unencrypted/],
    ['http://localhost.evil.example/v1', /unencrypted/],
    ['http://169.254.169.254/v1', /link-local/],
    ['https://169.254.169.254/v1', /link-local/],
    ['http://[fe80::1]/v1', /link-local/],
    ['http://[::ffff:169.254.169.254]/v1', /link-local/],
    ['http://2852039166/v1', /link-local/],
    ['http://127.0.0.1:4000/v1', /own address/],
    ['http://127.1:4000/v1', /own address/],
    ['http://localhost:4000/v1', /own address/],
    ['http://LOCALHOST.:4000/v1', /own address/],
    ['http://[::1]:4000/v1', /own address/],
    ['http://[::ffff:127.0.0.1]:4000/v1', /own address/],
    ['http://0.0.0.0:4000/v1', /own address/],
    ['http://0.0.0.0:8000/v1', /not the address of a server/],
    ['http://[::]:8000/v1', /not the address of a server/],
  ]
  for (const [url, message] of refused) {
    test(url, () => assert.match(baseUrlFault(url, listener, keyed)?.message ?? '', message))
  }
})

test('a refusal names neither the password nor the path nor the query', () => {
  for (const url of [
    'https://u:hunter2@a.example',
    'http://a.example/hunter2',
    'https://a.example/?key=hunter2',
  ]) {
    assert.doesNotMatch(JSON.stringify(baseUrlFault(url, listener, keyed)), /hunter2/)
  }
})

test('origin and path are told apart, without slashes at the end', () => {
  assert.deepEqual(parseBaseUrl('https://A.example:443/v1//', keyless), {
    origin: 'https://a.example',
    basePath: '/v1',
    isLocal: false,
  })
  assert.deepEqual(parseBaseUrl('http://[::1]:8000', keyless), {
    origin: 'http://[::1]:8000',
    basePath: '',
    boundary: 'local',
    isLocal: true,
  })
})

describe('plain HTTP', () => {
  const exposed = ['http://ollama:11434', 'http://nas.local:8000/v1', 'http://a.example/v1']
  for (const url of exposed) {
    test(`to ${url} needs no permission without a key, and each connection checks where the name leads`, () => {
      assert.equal(baseUrlFault(url, listener, keyless), undefined)
      const { isLocal, plainHttp } = parseBaseUrl(url, keyless)
      assert.deepEqual({ isLocal, plainHttp }, { isLocal: true, plainHttp: 'private' })
    })
  }

  test('to a public address has to be allowed, key or not', () => {
    assert.match(baseUrlFault('http://8.8.8.8/v1', listener, keyless)?.hint ?? '', /allow_http: true/)
  })

  test('is allowed anywhere by allow_http, with a warning that names what is sent', () => {
    const allowed = { allowHttp: true, hasKey: true }
    for (const url of [...exposed, 'http://8.8.8.8/v1']) {
      assert.equal(baseUrlFault(url, listener, allowed), undefined)
      assert.match(
        baseUrlWarnings(url, allowed)[0]?.message ?? '',
        /the key, prompts and responses unencrypted/,
      )
    }
    assert.match(baseUrlFault('http://169.254.169.254/v1', listener, allowed)?.message ?? '', /link-local/)
  })

  test('is no reason for a warning where it stays on a private network', () => {
    const allowed = { allowHttp: true, hasKey: true }
    for (const url of ['http://127.0.0.1:8000/v1', 'http://10.1.2.3/v1', 'https://a.example/v1']) {
      assert.deepEqual(baseUrlWarnings(url, allowed), [])
    }
  })

  test('to a name that may be public is not taken for a local server', () => {
    const allowed = { allowHttp: true }
    assert.equal(parseBaseUrl('http://a.example/v1', allowed).isLocal, false)
    assert.equal(parseBaseUrl('http://nas.local/v1', allowed).isLocal, true)
  })
})

describe('a warning says that a base URL is probably not that of the API:', () => {
  const doubtful: [url: string, hint: string | undefined][] = [
    ['http://127.0.0.1:11434', 'write http://127.0.0.1:11434/v1'],
    ['http://ollama:11434/', 'write http://ollama:11434/v1'],
    ['http://localhost:11434/api/chat', 'end it before /api/chat'],
    ['https://api.openai.com/v1/chat/completions', 'end it before /chat/completions'],
    ['https://api.openai.com/v1/responses/', 'end it before /responses'],
    ['https://a.example/v1/images/generations?a=b', 'end it before /images/generations'],
    // DeepSeek and others serve their API at the root.
    ['https://api.deepseek.com', undefined],
    ['http://127.0.0.1:8080/engines', undefined],
    ['http://127.0.0.1:11434/v1', undefined],
  ]
  for (const [url, hint] of doubtful) {
    test(url, () => assert.equal(baseUrlWarnings(url, keyless)[0]?.hint, hint))
  }
})
