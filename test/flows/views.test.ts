// Who may look at the metrics and the status page.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { echo, type Setup } from '../support/gateway-config.ts'
import { unless } from '../support/needs.ts'
import { exchange, rawRequest } from '../support/raw-client.ts'

const views = ['/metrics', '/status'] as const
const get = (path: string, headers: Record<string, string> = {}) => rawRequest(`GET ${path}`, headers)

suite('the owner sees', { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  for (const path of views) {
    test(`${path}, also without the key that calls require`, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, keys: { mode: 'required' } })
      const response = await exchange(t, gateway.url, get(path))
      assert.equal(response.status, 200)
      assert.equal(response.header('cache-control'), path === '/status' ? 'no-cache' : 'no-store')
      assert.equal((await exchange(t, gateway.url, get('/v1/models'))).status, 401)
    })

    test(`${path}, also where users are not told apart`, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, access: { allowed_users: ['any'] } })
      assert.equal((await exchange(t, gateway.url, get(path))).status, 200)
    })

    test(`${path} in no page of another origin, whatever cors allows`, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, cors: { enabled: true, allow_all: true } })
      const origin = 'https://chat.example.com'
      for (const headers of [{ origin }, { origin, 'sec-fetch-site': 'cross-site' }]) {
        const response = await exchange(t, gateway.url, get(path, headers))
        assert.equal(response.status, 403)
        assert.match(response.body().toString(), /origin_not_allowed/)
        assert.equal(response.header('access-control-allow-origin'), undefined)
      }
      const preflight = { origin, 'access-control-request-method': 'GET' }
      const response = await exchange(t, gateway.url, rawRequest(`OPTIONS ${path}`, preflight))
      assert.equal(response.status, 405)
      assert.equal(response.header('access-control-allow-origin'), undefined)
    })

    test(`${path} by no name of another host`, async (t) => {
      const { gateway } = await startGateway(t, echo)
      const response = await exchange(t, gateway.url, get(path, { host: 'evil.example:4000' }))
      assert.equal(response.status, 403)
    })

    for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-forwarded-host', 'x-real-ip']) {
      test(`no ${path} in a request with ${header}`, async (t) => {
        const { gateway } = await startGateway(t, echo)
        const response = await exchange(t, gateway.url, get(path, { [header]: '192.0.2.1' }))
        assert.equal(response.status, 404)
      })
    }

    test(`no ${path} once it is turned off`, async (t) => {
      const section = { enabled: false }
      const { gateway } = await startGateway(t, { ...echo, metrics: section, status: section })
      assert.equal((await exchange(t, gateway.url, get(path))).status, 404)
    })
  }
})

suite('the status page through a proxy', () => {
  const viaProxy = {
    ...echo,
    server: { trusted_proxies: [{ user: 'self' }] },
    identity: { sources: [{ kind: 'header' as const, header: 'x-mail', from_user: 'self' }] },
  }
  const forwarded = (mail?: string) => ({ 'x-forwarded-for': '192.0.2.1', ...(mail && { 'x-mail': mail }) })

  test('is shown to identities that are listed', async (t) => {
    const status = { via_proxy: true, allowed_users: ['self', 'head:ann'] }
    const { gateway } = await startGateway(t, { ...viaProxy, status })
    const ask = async (path: string, mail?: string) => {
      const response = await exchange(t, gateway.url, get(path, forwarded(mail)))
      return `${response.status} ${/"code":"(\w+)"/.exec(response.body().toString())?.[1] ?? ''}`.trim()
    }
    assert.equal(await ask('/status', 'ann'), '200')
    assert.equal(await ask('/status', 'eve'), '403 identity_not_allowed')
    assert.equal(await ask('/status'), '403 identity_not_allowed')
    assert.match(await ask('/metrics', 'ann'), /^404/)
  })

  test('does not exist unless via_proxy says so', async (t) => {
    const status = { allowed_users: ['self', 'head:ann'] }
    const { gateway } = await startGateway(t, { ...viaProxy, status })
    const response = await exchange(t, gateway.url, get('/status', forwarded('ann')))
    assert.equal(response.status, 404)
  })
})

suite('the page at / for browsers', { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  const asBrowser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
  const line = /^llm-gateway is running\./

  test('is the status page, also where calls require a key', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, keys: { mode: 'required' } })
    const response = await exchange(t, gateway.url, get('/', asBrowser))
    assert.equal(response.status, 200)
    assert.match(response.body().toString(), /^<!doctype html>/i)
    assert.match(response.header('content-security-policy')!, /trusted-types 'none'/)
    assert.equal((await exchange(t, gateway.url, get('/'))).status, 401)
  })

  const cases: [string, Record<string, string>, Setup][] = [
    ['programs', {}, echo],
    ['a page of another origin', { ...asBrowser, origin: 'http://localhost:1' }, echo],
    ['what a proxy forwards', { ...asBrowser, 'x-forwarded-for': '192.0.2.1' }, echo],
    ['who may not see it', asBrowser, { ...echo, status: { allowed_users: ['61184'] } }],
    ['everybody without a status page', asBrowser, { ...echo, status: { enabled: false } }],
  ]
  for (const [who, headers, setup] of cases) {
    test(`is one line for ${who}`, async (t) => {
      const { gateway } = await startGateway(t, setup)
      const response = await exchange(t, gateway.url, get('/', headers))
      assert.equal(response.status, 200)
      assert.match(response.body().toString(), line)
    })
  }
})

suite("the status page's own calls", { skip: unless(process.platform === 'linux', 'needs Linux') }, () => {
  const body = '{"model":"plain","messages":[]}'
  const post = (origin: string, host: string) =>
    rawRequest('POST /v1/chat/completions', { origin, host, 'sec-fetch-site': 'same-origin' }, body)

  test('pass by their origin, and those of other origins do not', async (t) => {
    const { gateway } = await startGateway(t, { ...echo, cors: { enabled: false } })
    const { host } = new URL(gateway.url)
    assert.equal((await exchange(t, gateway.url, post(`http://${host}`, host))).status, 200)
    for (const origin of [`https://${host}`, `http://${host}0`, 'http://localhost:1', 'null']) {
      assert.equal((await exchange(t, gateway.url, post(origin, host))).status, 403, origin)
    }
  })

  for (const status of [{ playground: false }, { enabled: false }]) {
    test(`do not pass with ${JSON.stringify(status)}`, async (t) => {
      const { gateway } = await startGateway(t, { ...echo, cors: { enabled: false }, status })
      const { host } = new URL(gateway.url)
      assert.equal((await exchange(t, gateway.url, post(`http://${host}`, host))).status, 403)
    })
  }
})
