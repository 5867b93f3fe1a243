// Which providers have which proxy.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { isExcepted } from '../../src/config/proxy.ts'
import type { RawProvider } from '../../src/config/raw.ts'
import { loadText, problemsOf } from '../support/config-file.ts'
import { configText } from '../support/gateway-config.ts'

const cloud: RawProvider = { base_url: 'https://api.example/v1' }

function proxyOf(t: TestContext, env: Record<string, string>, provider = cloud): string | undefined {
  const loaded = loadText(t, configText({ providers: { p: provider } }), { env })
  assert.ok(loaded.ok)
  const made = loaded.config.providers.get('p')
  assert.ok(made?.kind === 'openai')
  return made.proxy && `${made.proxy.origin} ${made.proxy.userInfo?.reveal() ?? ''}`.trim()
}

describe('NO_PROXY as curl reads it:', () => {
  const cases: [host: string, list: string, isListed: boolean][] = [
    ['api.example', '*', true],
    ['api.example', '*, x', false],
    ['api.example', '*.example', false],
    ['api.example', 'example', true],
    ['api.example', '.example', true],
    ['API.example.', 'Example.', true],
    ['api.example', 'pi.example', false],
    ['api.example', 'x,api.example', true],
    ['api.example', 'x api.example', true],
    ['api.example', ' , ', false],
    ['10.1.2.3', '10.0.0.0/8', true],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '2.3', false],
    ['10.1.2.3', '10.0.0.0/33', false],
    ['10.1.2.3', '10.0.0.0/x', false],
    ['[fd00::1]', 'fd00::/8', true],
    ['[fd00::1]', '[fd00:0::1]', true],
    ['[fd00::1]', '10.0.0.0/8', false],
    ['fd.example', 'fd00::/8', false],
  ]
  for (const [host, list, isListed] of cases) {
    test(`${host} is ${isListed ? '' : 'not '}in "${list}"`, () => {
      assert.equal(isExcepted(host, list), isListed)
    })
  }
})

describe('the environment names', () => {
  const cases: [
    name: string,
    env: Record<string, string>,
    provider: RawProvider,
    proxy: string | undefined,
  ][] = [
    ['no proxy', {}, cloud, undefined],
    ['an empty one, which is none', { HTTPS_PROXY: '' }, cloud, undefined],
    ['one without a scheme', { HTTPS_PROXY: 'p.example:3128' }, cloud, 'http://p.example:3128'],
    ['one without a port', { ALL_PROXY: 'socks5h://p.example/' }, cloud, 'socks5://p.example:1080'],
    ['two, the lower case first', { HTTPS_PROXY: 'http://b', https_proxy: 'http://a' }, cloud, 'http://a:80'],
    ['a password', { https_proxy: 'http://a:b%3ac@p' }, cloud, 'http://p:80 a:b:c'],
    ['one for other schemes', { HTTP_PROXY: 'http://a' }, cloud, undefined],
    ['one for all schemes', { HTTP_PROXY: 'http://a', all_proxy: 'http://b' }, cloud, 'http://b:80'],
    ['none for a local provider', { ALL_PROXY: 'http://a' }, { base_url: 'http://10.0.0.1/v1' }, undefined],
    ['none for a private name', { ALL_PROXY: 'http://a' }, { base_url: 'http://nas.lan/v1' }, undefined],
  ]
  for (const [name, env, provider, proxy] of cases) {
    test(name, (t) => assert.equal(proxyOf(t, env, provider), proxy))
  }

  test('what is no proxy: a fault of the variable, once, that does not quote it', (t) => {
    const text = configText({ providers: { p: cloud, q: cloud } })
    const env = { HTTPS_PROXY: 'ftp://ann:hunter2@p' }
    const problems = problemsOf(t, text, { env })
    assert.deepEqual(problems, [
      '0:0 env HTTPS_PROXY: is not the URL of a proxy: http://, https:// or socks5://',
    ])
    const none = { HTTPS_PROXY: 'ftp://p', NO_PROXY: 'api.example' }
    assert.deepEqual(problemsOf(t, text, { env: none }), [])
  })
})

describe('the file', () => {
  const cases: [name: string, provider: RawProvider, message: RegExp][] = [
    ['a text', { ...cloud, proxy: 'ftp://p' }, /is not the URL of a proxy/],
    ['a path', { ...cloud, proxy: 'http://p/x' }, /is not the URL of a proxy/],
    ['a password', { ...cloud, proxy: 'http://ann:hunter2@p' }, /must not contain a password/],
    ['a server here', { base_url: 'http://127.0.0.1:1/v1', proxy: 'http://p' }, /a server on this machine/],
    ['a plain name', { base_url: 'http://nas.lan/v1', proxy: 'http://p' }, /nothing checks where it leads/],
  ]
  for (const [name, provider, message] of cases) {
    test(`cannot set a proxy: ${name}`, (t) => {
      const loaded = loadText(t, configText({ providers: { p: provider } }))
      assert.ok(!loaded.ok)
      assert.match(loaded.problems.map((problem) => problem.message).join('\n'), message)
      assert.doesNotMatch(JSON.stringify([loaded.problems, loaded.lines]), /hunter2/)
    })
  }

  test('can set one for a server on a private network', (t) => {
    const provider = { base_url: 'http://10.0.0.1/v1', proxy: 'socks5://127.0.0.1' }
    assert.equal(proxyOf(t, {}, provider), 'socks5://127.0.0.1:1080')
  })
})
