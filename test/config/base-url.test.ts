import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { baseUrlFault, parseBaseUrl } from '../../src/config/base-url.ts'

const listener = { hosts: ['127.0.0.1', '::1'], port: 4000 }

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
  ]
  for (const url of taken) test(url, () => assert.equal(baseUrlFault(url, listener), undefined))
})

describe('a base URL is refused:', () => {
  const refused: [url: string, message: RegExp][] = [
    ['api.openai.com/v1', /is not a URL/],
    ['api.openai.com:443/v1', /the scheme "api.openai.com:"/],
    ['http:/127.0.0.1/v1', /is not a URL/],
    ['https://', /is not a URL/],
    ['https://a.example/ v1', /is not a URL/],
    ['https:\\\\a.example', /is not a URL/],
    ['file:///etc/passwd', /the scheme "file:"/],
    ['ftp://a.example/v1', /the scheme "ftp:"/],
    ['https://user:pw@a.example/v1', /user name or password/],
    ['https://@a.example/v1', /user name or password/],
    ['https://a.example/v1?key=x', /query or fragment/],
    ['https://a.example/v1?', /query or fragment/],
    ['https://a.example/v1#x', /query or fragment/],
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
    test(url, () => assert.match(baseUrlFault(url, listener)?.message ?? '', message))
  }
})

test('a refusal names neither the password nor the path nor the query', () => {
  for (const url of [
    'https://u:hunter2@a.example',
    'http://a.example/hunter2',
    'https://a.example/?k=hunter2',
  ]) {
    assert.doesNotMatch(JSON.stringify(baseUrlFault(url, listener)), /hunter2/)
  }
})

test('origin and path are told apart, without slashes at the end', () => {
  assert.deepEqual(parseBaseUrl('https://A.example:443/v1//'), {
    origin: 'https://a.example',
    basePath: '/v1',
    isLocal: false,
  })
  assert.deepEqual(parseBaseUrl('http://[::1]:8000'), {
    origin: 'http://[::1]:8000',
    basePath: '',
    isLocal: true,
  })
})
