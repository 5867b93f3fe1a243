// Every method of the official client for Node, directly at a provider and through the gateway: the provider receives the same
// request, but for what is not passed on, and the client the same response.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import OpenAI from 'openai'

import { whyNotPassed } from '../../src/dialects/openai/api-routes.ts'
import { startGateway } from '../support/app.ts'
import type { ReceivedRequest } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'

type Method = (...args: unknown[]) => { asResponse(): Promise<Response> }

interface ClientMethod {
  /** `vectorStores.files.create`. */
  readonly name: string
  /** With the client that it belongs to. */
  readonly of: (client: OpenAI) => { readonly resource: object; readonly method: Method }
}

/** All methods that send one request. */
function methodsOf(client: OpenAI): ClientMethod[] {
  const found: ClientMethod[] = []
  const walk = (resource: object, path: readonly string[]) => {
    for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
      const method: unknown = Reflect.get(resource, name)
      if (
        name === 'constructor' ||
        typeof method !== 'function' ||
        !/this\._client\.(?:get|post|delete|getAPIList)\(/.test(String(method))
      )
        continue
      found.push({
        name: [...path, name].join('.'),
        of: (other) => {
          const own = path.reduce<object>((at, each) => Reflect.get(at, each) as object, other)
          return { resource: own, method: Reflect.get(own, name) as Method }
        },
      })
    }
    for (const [name, part] of Object.entries(resource)) {
      if (!name.startsWith('_') && typeof part === 'object' && part !== null && '_client' in part)
        walk(part as object, [...path, name])
    }
  }
  for (const [name, part] of Object.entries(client)) {
    if (typeof part === 'object' && part !== null && '_client' in part) walk(part as object, [name])
  }
  return found
}

/** Arguments of a method by the names of its parameters, and the members that its path needs. */
function argumentsOf(method: Method): unknown[] {
  const source = String(method)
  const parameters =
    /\(([^)]*)\)/
      .exec(source)?.[1]
      ?.split(',')
      .map((each) => each.trim().split(/[ =]/)[0]!) ?? []
  const members = [...source.matchAll(/const \{ ([^}]*) \} = params/g)]
    .flatMap(([, list = '']) => list.split(','))
    .map((each) => each.trim().split(':')[0]!.split(' ')[0]!)
    .filter((each) => each !== '' && each !== '...body' && !each.startsWith('...') && each !== 'betas')
  const path = Object.fromEntries(members.map((each) => [each, 'id2']))
  return parameters.map((name) => {
    if (name === 'options') return undefined
    if (name === 'query') return { limit: 1 }
    if (name === 'params') return { model: 'plain', ...path }
    if (name === 'body') return { model: 'plain', input: 'x', messages: [], prompt: 'x' }
    return 'id1'
  })
}

const everything = {
  id: 'x',
  object: 'list',
  data: [],
  choices: [],
  output: [],
  results: [],
  input_tokens: 1,
}

test('every request of the client reaches the provider as it does directly, or is refused for a reason', async (t) => {
  const { gateway, upstream } = await startGateway(t, { routes: { rest: { provider: 'scripted' } } })
  upstream.respondAlways(json(200, everything))
  const settings = { apiKey: 'none', adminAPIKey: 'none', maxRetries: 0 }
  const direct = new OpenAI({ ...settings, baseURL: `${upstream.url}/v1` })
  const through = new OpenAI({ ...settings, baseURL: `${gateway.url}/v1` })
  const methods = methodsOf(direct)
  assert.ok(methods.length > 200, `${methods.length} methods`)
  const refused = new Map<string, string>()
  for (const { name, of } of methods) {
    const send = async (client: OpenAI) => {
      const { resource, method } = of(client)
      const response = await method.apply(resource, argumentsOf(method)).asResponse()
      return { status: response.status, body: await response.text() }
    }
    const expected = await send(direct)
    const sent = plain(await upstream.nextRequest())
    const received = await send(through).catch((error: unknown) => {
      assert.ok(error instanceof OpenAI.APIError, `${name}: ${String(error)}`)
      return { status: error.status, body: '' }
    })
    if (received.status === expected.status) {
      // The gateway has a list of models of its own.
      if (name === 'models.list') continue
      assert.deepEqual(plain(await upstream.nextRequest()), sent, name)
      assert.deepEqual(received, expected, name)
    } else refused.set(name, `${received.status} ${sent.path}`)
  }
  const unexplained = [...refused].filter(([, seen]) => {
    const path = seen.slice('403 /v1'.length)
    return whyNotPassed(path) === whyNotPassed('/unheard/of')
  })
  assert.deepEqual(unexplained, [])
  t.diagnostic(`${methods.length - refused.size} of ${methods.length} methods reach the provider`)
})

/** A request without what differs from one to the next. */
function plain(request: Pick<ReceivedRequest, 'method' | 'target' | 'body' | 'header'>) {
  const { method, target, body } = request
  const contentType = request.header('content-type')
  const boundary = /boundary=(\S+)/.exec(contentType ?? '')?.[1]
  const text = body.toString('latin1')
  return {
    method,
    path: target.split('?')[0]!,
    query: target.split('?')[1],
    contentType: contentType?.replace(boundary ?? /$^/, 'B'),
    body: boundary === undefined ? text : text.replaceAll(boundary, 'B'),
  }
}
