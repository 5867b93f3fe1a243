// Clients that call several models in turns without a pause, and a look at the manager every 50 ms; then prints what they saw, as
// JSON. A program of its own, because it has to run beside the service, in its namespaces.
// Arguments: base URL of the gateway, seconds, how many clients for each model, and the models: `name=unit.service`.
import { execFile } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'

const [baseUrl = '', seconds = '', clientsEach = '', ...pairs] = process.argv.slice(2)
const models = pairs.map((pair) => pair.split('=') as [name: string, unit: string])
const endsAt = performance.now() + Number(seconds) * 1_000
const chunks = 10

const seen = {
  failed: [] as string[],
  cut: [] as string[],
  /** Model → answers that were whole. */
  whole: {} as Record<string, number>,
  longestMs: 0,
  /** How many units were active, and so on, at once, at most. */
  mostActive: 0,
  samples: 0,
  /** The last call begins before, in milliseconds since 1970. */
  endsAtMs: Date.now() + Number(seconds) * 1_000,
  /** When another unit than before was seen active, in milliseconds from the start. */
  changes: [] as [atMs: number, unit: string][],
}

async function client(model: string, isStream: boolean): Promise<void> {
  while (performance.now() < endsAt) {
    const sinceMs = performance.now()
    try {
      const response = await fetch(`${baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model, stream: isStream, messages: [{ role: 'user', content: 'x' }] }),
      })
      const text = await response.text()
      // A whole answer is put together of the stream of a llama.cpp server.
      const isComplete =
        text.split(`${model} `).length - 1 === chunks && (!isStream || text.endsWith('data: [DONE]\n\n'))
      if (response.status !== 200) seen.failed.push(`${response.status} ${text}`)
      else if (!isComplete) seen.cut.push(text.slice(-200))
      else seen.whole[model] = (seen.whole[model] ?? 0) + 1
    } catch (error) {
      seen.cut.push(String(error))
    }
    seen.longestMs = Math.max(seen.longestMs, Math.round(performance.now() - sinceMs))
  }
}

const run = promisify(execFile)
const startedAtMs = performance.now()

async function watch(): Promise<void> {
  let before = ''
  while (performance.now() < endsAt) {
    const nextMs = performance.now() + 50
    const units = models.map(([, unit]) => unit)
    const { stdout } = await run('systemctl', ['--user', 'show', '-P', 'ActiveState', ...units])
    const states = stdout.split('\n').filter((line) => line !== '')
    const active = units.filter((_, index) => !['inactive', 'failed'].includes(states[index]!))
    seen.samples += 1
    seen.mostActive = Math.max(seen.mostActive, active.length)
    const now = active.join()
    if (now !== '' && now !== before) {
      seen.changes.push([Math.round(performance.now() - startedAtMs), now])
      before = now
    }
    await setTimeout(Math.max(0, nextMs - performance.now()))
  }
}

const clients = models.flatMap(([model]) =>
  Array.from({ length: Number(clientsEach) }, (_, index) => client(model, index % 2 === 0)),
)
await Promise.all([watch(), ...clients])
process.stdout.write(JSON.stringify(seen))
