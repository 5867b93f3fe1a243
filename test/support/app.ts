// The real gateway in this process, from a configuration to open ports, with its log at hand.
import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { pathToFileURL } from 'node:url'

import { type App, startApp, type AppOptions } from '../../src/app/app.ts'
import { loadConfig } from '../../src/config/load.ts'
import type { Config } from '../../src/config/types.ts'
import { workerFile, writerFile } from './built-checkout.ts'
import { scratchDirectory } from './config-file.ts'
import { soon } from './deadline.ts'
import { configText, defaultEnv, prepare, type Setup, type Started } from './gateway-config.ts'
import { findKey } from './key-forms.ts'
import type { Cleanup } from './scripted-upstream.ts'

export interface TestGateway {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly app: App
  /** Log lines so far. */
  log(): Record<string, unknown>[]
  /** The first log line, come or coming, that has all these members. */
  logged(wanted: Record<string, unknown>): Promise<Record<string, unknown>>
  /** Writes another configuration and loads it; all its providers have addresses. Returns the keys that need a restart. */
  reload(setup: Setup): ReturnType<App['reload']>
  /** Happens by itself after the test. Calling it again waits for the same end. */
  stop(): Promise<void>
}

export interface Running<Name extends string = 'scripted'> extends Started<Name> {
  readonly gateway: TestGateway
}

/** By default real time, and nowhere to keep state. */
export type Options = Partial<
  Pick<AppOptions, 'builtAtMs' | 'clock' | 'dialects' | 'starterPath' | 'stateDirectory' | 'ticker'>
> & {
  /** For `${NAME}` and secrets, besides the key of scripted upstreams. */
  readonly env?: Readonly<Record<string, string>>
  /** What worker threads run, where there are any. */
  readonly workerEntry?: URL
}

/**
 * Starts the gateway on a free port of 127.0.0.1 and stops it after the test.
 * @param setup what matters to the test: see `Setup`.
 */
export async function startGateway<Name extends string = 'scripted'>(
  t: Cleanup,
  setup: Setup<Name> = {},
  { env: ownEnv = {}, workerEntry = pathToFileURL(workerFile), ...chosen }: Options = {},
): Promise<Running<Name>> {
  const folder = scratchDirectory(t)
  const file = join(folder, 'llm-gateway.yaml')
  const env = { LLM_GATEWAY_PORT: '0', ...defaultEnv, ...ownEnv }
  const load = (text: string): Config => {
    writeFileSync(file, text)
    chmodSync(file, 0o600)
    const loaded = loadConfig(file, { env, hasServiceManager: true })
    if (!loaded.ok) throw new Error(loaded.problems.map((problem) => problem.message).join('\n'))
    return loaded.config
  }
  const prepared = await prepare(t, setup)
  const config = load(prepared.text)
  const log = new TestLog()
  const options: AppOptions = {
    stdout: log.stream,
    version: '0.0.0-test',
    configFile: file,
    stateDirectory: undefined,
    workerEntry,
    writerEntry: pathToFileURL(writerFile),
    ...chosen,
  }
  const app = await startApp(config, options)
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= app.stop('test'))
  t.after(async () => {
    await stop()
    assertKept(env, JSON.stringify(log.lines))
  })
  const gateway: TestGateway = {
    url: app.addresses[0]!,
    app,
    log: () => log.lines,
    logged: (wanted) => soon(log.find(wanted), () => `a log line like ${JSON.stringify(wanted)}`),
    reload: (next) => app.reload(load(configText(next))),
    stop,
  }
  return Object.assign(prepared, { gateway })
}

/** No log of any test may hold a key that its gateway was given. */
function assertKept(env: Readonly<Record<string, string>>, log: string): void {
  for (const [name, value] of Object.entries(env)) {
    if (name.endsWith('KEY')) assert.deepEqual(findKey(log, value), [], `the log has ${name}`)
  }
}

/** Parses the log as it is written. */
class TestLog {
  readonly stream = new PassThrough()
  readonly lines: Record<string, unknown>[] = []
  readonly #waiting = new Set<() => void>()

  constructor() {
    this.stream.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().trim().split('\n')) this.lines.push(JSON.parse(line))
      for (const look of this.#waiting) look()
    })
  }

  find(wanted: Record<string, unknown>): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.lines.find((line) =>
          Object.entries(wanted).every(([key, value]) => line[key] === value),
        )
        if (found === undefined) return
        this.#waiting.delete(look)
        resolve(found)
      }
      this.#waiting.add(look)
      look()
    })
  }
}
