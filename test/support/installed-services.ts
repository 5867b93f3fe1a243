// Model servers as units of the user manager of a test, behind an installed gateway.
import assert from 'node:assert/strict'
import type { Cleanup } from './scripted-upstream.ts'
import { journal, startInstalled, type UserManager } from './user-manager.ts'

export interface TestServer {
  /** In milliseconds. */
  readonly loads?: number
  /** As `model-server.ts` has it. */
  readonly fault?: string
  /** Members of `service:` besides `unit`. */
  readonly service?: object
  /** Lines of its unit's `[Service]`. */
  readonly lines?: readonly string[]
}

export interface ServicesConfig {
  readonly servers: Readonly<Record<string, TestServer>>
  /** Top-level members. */
  readonly config?: object
}

/** The shell command that runs a server in the namespaces of the test. */
export function serverCommand(port: number, name: string, { loads = 0, fault = '' }: TestServer): string {
  return `${process.execPath} %h/llm-gateway/test/support/model-server.ts ${port} ${name} ${loads} ${fault}`
}

/** Installs a gateway with a model of the name of each server, whose unit is `NAME.service`. */
export async function startServices(
  t: Cleanup,
  { servers, config = {} }: ServicesConfig,
): Promise<UserManager> {
  const all = Object.entries(servers)
  const providers = all.map(([name, { service }], index) => {
    const base_url = `http://127.0.0.1:${9200 + index}/v1`
    return [name, { kind: 'llama_cpp', base_url, service: { unit: `${name}.service`, ...service } }]
  })
  const models = all.map(([name]) => [name, { provider: name }])
  const file = { providers: Object.fromEntries(providers), models: Object.fromEntries(models), ...config }
  const manager = await startInstalled(t, JSON.stringify(file))
  for (const [index, [name, server]] of all.entries()) {
    const lines = [
      '[Service]',
      `ExecStart=${serverCommand(9200 + index, name, server)}`,
      ...(server.lines ?? []),
    ]
    await manager.ok(`cat >.config/systemd/user/${name}.service`, { input: `${lines.join('\n')}\n` })
  }
  await manager.ok('systemctl --user daemon-reload')
  return manager
}

/** A call by curl. `options` go before the address, `more` into the request. */
export function callCommand(model: string, { isStream = true, options = '-sSN', more = {} } = {}): string {
  const body = JSON.stringify({
    model,
    stream: isStream,
    messages: [{ role: 'user', content: 'x' }],
    ...more,
  })
  return `curl ${options} --max-time 60 http://127.0.0.1:4000/v1/chat/completions -H 'content-type: application/json' -d '${body}'`
}

export async function stateOf(manager: UserManager, unit: string): Promise<string> {
  return (await manager.sh(`systemctl --user show -P ActiveState ${unit}`)).stdout.trim()
}

interface LoadOptions {
  readonly seconds: number
  readonly minRunMs: number
  readonly maxRunMs: number
  /** Beside the load. Absent: nothing. */
  readonly beside?: (manager: UserManager) => Promise<void>
}

/** What `service-load.ts` prints. */
interface SeenLoad {
  readonly failed: readonly string[]
  readonly cut: readonly string[]
  readonly whole: Readonly<Record<string, number>>
  readonly longestMs: number
  readonly mostActive: number
  readonly samples: number
  readonly endsAtMs: number
  readonly changes: readonly (readonly [atMs: number, unit: string])[]
}

/** Four clients each on two models that share a place; holds that none fails or is cut and that the members run as configured. */
export async function loadServices(
  t: Cleanup,
  { seconds, minRunMs, maxRunMs, beside }: LoadOptions,
): Promise<SeenLoad> {
  const gpu0 = { members: ['one', 'two'], running: 1, min_run_ms: minRunMs, max_run_ms: maxRunMs }
  const config = { services: { groups: { gpu0 } }, rate_limit_settings: { enabled: false } }
  const servers = { one: { loads: 200 }, two: { loads: 200 } }
  const manager = await startServices(t, { servers, config })
  await manager.ok('systemctl --user start llm-gateway')
  const load = `${process.execPath} llm-gateway/test/support/service-load.ts http://127.0.0.1:4000 ${seconds} 4 one=one.service two=two.service`
  const [printed] = await Promise.all([manager.ok(load), beside?.(manager)])
  const seen = JSON.parse(printed) as SeenLoad
  assert.deepEqual([seen.failed, seen.cut, seen.mostActive], [[], [], 1])
  assert.ok(Math.min(seen.whole['one'] ?? 0, seen.whole['two'] ?? 0) > 10, 'both are served')
  // A gateway that has just been started knows of no callers yet, and may stop a server that it has adopted at once.
  if (beside === undefined) {
    for (const runMs of await turnsOf(manager, seen.endsAtMs)) {
      assert.ok(runMs >= minRunMs - roundingMs, `one ran for ${runMs} ms, and not for ${minRunMs}`)
    }
  }
  return seen
}

/** Of two times in the log. */
const roundingMs = 2

/** How long each server was ready before it was stopped for another one, in milliseconds, by the gateway's log. */
async function turnsOf(manager: UserManager, untilMs: number): Promise<number[]> {
  const readySince = new Map<string, number>()
  const turns: number[] = []
  for (const { message } of await journal(manager)) {
    if (!message.includes('"event":"service_')) continue
    const { event, provider, reason, time } = JSON.parse(message) as Record<string, string>
    const atMs = Date.parse(time!)
    if (event === 'service_ready') readySince.set(provider!, atMs)
    else if (event === 'service_stopping' && reason === 'group' && atMs < untilMs) {
      turns.push(atMs - readySince.get(provider!)!)
    }
  }
  assert.ok(turns.length > 0, 'servers were stopped for others')
  return turns
}
