// Reloads one after the other while clients call over 32 connections.
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import type { TestContext } from 'node:test'

import { at, configText, type Setup } from '../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { bytes, chunk, head, json, lastChunk, streamHead, wait } from '../support/upstream-script.ts'

/** A gateway of one provider at this address with the model `plain` and others. */
export function setupFor(
  { url }: { url: string },
  {
    models = [],
    rpm = 1_000_000,
    server = {},
  }: { models?: string[]; rpm?: number; server?: Setup['server'] } = {},
): Setup {
  return {
    server,
    providers: { scripted: at({ url }) },
    models: Object.fromEntries(['plain', ...models].map((name) => [name, { provider: 'scripted' }])),
    rate_limit_settings: { per_client: {}, limits: { plain: { rpm } } },
  }
}

/** As careful editors do: no moment in which the file is half written. */
export function replace({ file }: GatewayProcess, yaml: string): void {
  writeFileSync(`${file}.new`, yaml, { mode: 0o600 })
  renameSync(`${file}.new`, file)
}

/** Fails when a call does. @param mayGoOn whether one more reload follows so many. */
export async function reloadUnderLoad(t: TestContext, mayGoOn: (count: number) => boolean): Promise<void> {
  const event = 'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
  const done = 'data: [DONE]\n\n'
  const reloads = new Reloads()
  const upstreams = [await startUpstream(t), await startUpstream(t)]
  for (const upstream of upstreams) {
    upstream.respondAlways(({ method, body }) => {
      const gate = wait(reloads.passed(4))
      if (method !== 'POST') return json(200, { data: [] })
      if (!body.includes('"stream":true'))
        return [
          gate,
          head(200, { 'content-type': 'application/json', 'content-length': '13' }),
          bytes('{"fine":true}'),
        ]
      return [streamHead(), chunk(event), gate, chunk(event), chunk(done), lastChunk]
    })
  }
  // Providers, limits and models change each time, but for the model that is called.
  const setups = upstreams.map((upstream, index) =>
    setupFor(upstream, { models: [`only${index}`], rpm: 1_000_000 + index }),
  )
  const yamls = setups.map(configText)
  const { gateway } = await startGatewayProcess(t, setups[0])
  gateway.drainInto((text) => reloads.read(text))
  const failures: string[] = []
  let calls = 0
  const agent = new Agent({ keepAlive: true })
  const clients = Array.from({ length: 32 }, async (_, index) => {
    const isStream = index % 2 === 0
    const whole = isStream ? event + event + done : '{"fine":true}'
    while (mayGoOn(reloads.count)) {
      const { status, body } = await post(gateway.url, { model: 'plain', stream: isStream }, agent)
      calls += 1
      if (status !== 200 || body !== whole) failures.push(`${status} ${body.slice(0, 200)}`)
    }
  })

  while (mayGoOn(reloads.count)) {
    const isTaken = reloads.passed(1)
    replace(gateway, yamls[(reloads.count + 1) % 2]!)
    process.kill(gateway.pid, 'SIGHUP')
    await isTaken
  }
  reloads.release()
  await Promise.all(clients)
  agent.destroy()

  assert.deepEqual(failures, [])
  assert.ok(calls >= 32 * 5, `${calls} calls`)
}

/** Counts the reloads that a log tells of. */
class Reloads {
  count = 0
  #unread = ''
  #isOver = false
  #waiting: { at: number; resolve: () => void }[] = []

  read(text: string): void {
    const lines = (this.#unread + text).split('\n')
    this.#unread = lines.pop()!
    for (const line of lines) if (line.includes('"event":"reloaded"')) this.count += 1
    this.#resolveUpTo(this.count)
  }

  /** Resolves after so many further ones. */
  passed(further: number): Promise<void> {
    if (this.#isOver) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ at: this.count + further, resolve }))
  }

  /** There are no more of them. */
  release(): void {
    this.#isOver = true
    this.#resolveUpTo(Number.POSITIVE_INFINITY)
  }

  #resolveUpTo(count: number): void {
    for (const { at, resolve } of this.#waiting) if (at <= count) resolve()
    this.#waiting = this.#waiting.filter(({ at }) => at > count)
  }
}

function post(
  url: string,
  body: Record<string, unknown>,
  agent: Agent,
): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve) => {
    const request = httpRequest(
      `${url}/v1/chat/completions`,
      { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
        response.on('close', () => resolve({ status: response.statusCode, body: text }))
      },
    )
    request.on('error', (error) => resolve({ status: undefined, body: String(error) }))
    request.end(JSON.stringify(body))
  })
}
