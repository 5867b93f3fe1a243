// The load generator, a process of its own: does one task after the other as its parent asks, and ends with it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallSink, Connection, type Expected } from './connection.ts'
import { percentile } from './statistics.ts'
import type { Calls, Outcome, Task } from './tasks.ts'
import { chatBody, requestBytes } from './wire.ts'

/** An answer that takes longer fails its task. */
const patienceMs = 30_000
/** Timers are good to a millisecond: the rest of the way to a call that is due is watched. */
const watchedMs = 1.2

/** What a task has come to so far. */
class Tally {
  readonly #startedMs = performance.now()
  readonly #latencies: number[] = []
  readonly #lateness: number[] = []
  readonly #faults: Record<string, number> = {}
  calls = 0
  failed = 0
  events = 0
  together = 0

  end(fault: string | undefined, latencyMs?: number): void {
    this.calls += 1
    if (fault !== undefined) {
      this.failed += 1
      this.#faults[fault] = (this.#faults[fault] ?? 0) + 1
    } else if (latencyMs !== undefined) this.#latencies.push(latencyMs)
  }

  late(byMs: number): void {
    this.#lateness.push(byMs)
  }

  takeEvents(count: number): void {
    this.events += count
    if (count > 1) this.together += count
  }

  outcome(): Outcome {
    const elapsedMs = performance.now() - this.#startedMs
    const [sorted, late] = [
      Float64Array.from(this.#latencies).sort(),
      Float64Array.from(this.#lateness).sort(),
    ]
    const { calls, failed, events, together } = this
    const latency =
      sorted.length === 0
        ? undefined
        : { p50: percentile(sorted, 0.5), p99: percentile(sorted, 0.99), max: sorted.at(-1)! }
    const latenessP99 = late.length === 0 ? 0 : percentile(late, 0.99)
    return { calls, failed, faults: this.#faults, elapsedMs, latency, latenessP99, events, together }
  }
}

/** Requests in turn, made before they are needed. */
class Requests {
  readonly expected: Expected
  readonly #buffers: readonly Buffer[]
  #next = 0

  constructor({ address, models, script, bulkBytes }: Calls) {
    this.#buffers = models.map((model) => requestBytes(address, chatBody(model, script, bulkBytes)))
    const isStream = script.kind === 'stream' || script.kind === 'hold'
    this.expected = isStream ? { kind: 'stream', events: script.events } : { kind: 'whole' }
  }

  next(): Buffer {
    const buffer = this.#buffers[this.#next]!
    this.#next = (this.#next + 1) % this.#buffers.length
    return buffer
  }
}

let tally = new Tally()
let held: { connections: Connection[]; tally: Tally; allEnded: Promise<void> } | undefined

process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const { id, task } = message as { id: number; task: Task }
  run(task).then(
    (outcome) => process.send?.({ id, outcome }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.send?.('ready')

async function run(task: Task): Promise<Outcome> {
  if (task.kind === 'count') return tally.outcome()
  if (task.kind === 'await_held') return await awaitHeld()
  const requests = new Requests(task.calls)
  tally = new Tally()
  const { port } = task.calls.address
  switch (task.kind) {
    case 'closed':
      await closed(task, requests, port)
      break
    case 'open':
      await open(task, requests, port)
      break
    case 'streams':
      await streams(task, requests, port)
      break
    case 'first_events':
      await firstEvents(task, requests, port)
      break
    case 'hold':
      return await hold(task, requests, port)
  }
  return tally.outcome()
}

async function closed(
  { connections, durationMs, maxCalls = Infinity }: Task & { kind: 'closed' },
  requests: Requests,
  port: number,
): Promise<void> {
  const untilMs = performance.now() + durationMs
  let begun = 0
  const clients = Array.from({ length: connections }, () => {
    const connection = new Connection(port)
    return patient(
      new Promise<void>((resolve) => {
        const next = (): void => {
          const sentMs = performance.now()
          if (begun >= maxCalls || sentMs >= untilMs) {
            connection.close()
            resolve()
            return
          }
          begun += 1
          connection.call(requests.next(), requests.expected, {
            onEnd(fault) {
              tally.end(fault, performance.now() - sentMs)
              // A refusal at once must not become an endless recursion, nor a flood.
              if (fault === undefined) next()
              else setTimeout(next, 5)
            },
          })
        }
        next()
      }),
      durationMs,
    )
  })
  await Promise.all(clients)
}

async function open(
  { ratePerSecond, durationMs }: Task & { kind: 'open' },
  requests: Requests,
  port: number,
): Promise<void> {
  const idle: Connection[] = []
  const all = new Set<Connection>()
  const count = Math.floor((durationMs / 1000) * ratePerSecond)
  // Connections are there before the first call: what opening one costs is no part of a call's latency here.
  const warm = Array.from({ length: 4 }, () => new Connection(port))
  await Promise.all(warm.map((connection) => once(connection, requests)))
  idle.push(...warm)
  const startMs = performance.now() + 20
  let ended = 0
  await patient(
    new Promise<void>((resolve) => {
      let sent = 0
      const send = (dueMs: number): void => {
        const connection = idle.pop() ?? new Connection(port)
        all.add(connection)
        tally.late(performance.now() - dueMs)
        connection.call(requests.next(), requests.expected, {
          onEnd(fault) {
            tally.end(fault, performance.now() - dueMs)
            idle.push(connection)
            ended += 1
            if (ended === count) resolve()
          },
        })
      }
      const pace = (): void => {
        while (sent < count) {
          const dueMs = startMs + (sent * 1000) / ratePerSecond
          const leftMs = dueMs - performance.now()
          if (leftMs > 0) {
            if (leftMs > watchedMs) setTimeout(pace, Math.max(1, Math.floor(leftMs - watchedMs)))
            else setImmediate(pace)
            return
          }
          sent += 1
          send(dueMs)
        }
      }
      pace()
    }),
    durationMs,
  )
  for (const connection of all) connection.close()
}

async function streams(
  { streams, spreadMs }: Task & { kind: 'streams' },
  requests: Requests,
  port: number,
): Promise<void> {
  const running = Array.from({ length: streams }, async (_, index) => {
    await sleep((index * spreadMs) / streams)
    const connection = new Connection(port)
    const sink = { onEvents: (count: number) => tally.takeEvents(count) }
    tally.end(await once(connection, requests, sink))
    connection.close()
  })
  await patient(Promise.all(running), spreadMs)
}

async function firstEvents(
  { durationMs }: Task & { kind: 'first_events' },
  requests: Requests,
  port: number,
): Promise<void> {
  const connection = new Connection(port)
  const untilMs = performance.now() + durationMs
  while (performance.now() < untilMs) {
    const sentMs = performance.now()
    let firstMs: number | undefined
    const onEvents = (count: number): void => {
      firstMs ??= performance.now() - sentMs
      tally.takeEvents(count)
    }
    tally.end(await patient(once(connection, requests, { onEvents })), firstMs)
  }
  connection.close()
}

/** @returns when all streams are open, or failed to be. */
async function hold(
  { streams, atOnce }: Task & { kind: 'hold' },
  requests: Requests,
  port: number,
): Promise<Outcome> {
  const connections = Array.from({ length: streams }, () => new Connection(port))
  const [opening, ending] = [new Tally(), new Tally()]
  const ends: Promise<unknown>[] = []
  let next = 0
  const openers = Array.from({ length: Math.min(atOnce, streams) }, async () => {
    while (next < streams) {
      const connection = connections[next]!
      next += 1
      await new Promise<void>((resolve) => {
        let isOpen = false
        const opened = (fault: string | undefined): void => {
          if (isOpen) return
          isOpen = true
          opening.end(fault)
          resolve()
        }
        const ended = once(connection, requests, { onEvents: () => opened(undefined) }).then((fault) => {
          opened(fault)
          ending.end(fault)
        })
        ends.push(ended)
      })
    }
  })
  await patient(Promise.all(openers), patienceMs)
  held = { connections, tally: ending, allEnded: Promise.all(ends).then(() => {}) }
  return opening.outcome()
}

async function awaitHeld(): Promise<Outcome> {
  if (held === undefined) throw new Error('no streams are held')
  await patient(held.allEnded, patienceMs)
  for (const connection of held.connections) connection.close()
  const outcome = held.tally.outcome()
  held = undefined
  return outcome
}

function once(
  connection: Connection,
  requests: Requests,
  sink: Pick<CallSink, 'onEvents'> = {},
): Promise<string | undefined> {
  return new Promise((resolve) => {
    connection.call(requests.next(), requests.expected, { ...sink, onEnd: resolve })
  })
}

async function patient<Result>(work: Promise<Result>, ofMs = 0): Promise<Result> {
  const stop = new AbortController()
  const tooLong = sleep(ofMs + patienceMs, undefined, { signal: stop.signal, ref: false }).then(() => {
    throw new Error(`no answer for ${patienceMs} ms`)
  })
  try {
    return await Promise.race([work, tooLong])
  } finally {
    tooLong.catch(() => {})
    stop.abort()
  }
}
