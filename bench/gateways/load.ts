// The load generator, a process of its own: does one task after the other as its parent asks, and ends with it.
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallSink, Connection } from './connection.ts'
import { pace } from './pace.ts'
import { Requests, Tally } from './tally.ts'
import type { CallTask, Outcome, Task } from './tasks.ts'

/** An answer that takes longer fails its task. */
const patienceMs = 30_000
/** What opening thousands of streams may take beyond that. */
const openingMs = 60_000

let tally = new Tally()
/** All connections of the task. */
let opened: Connection[] = []
let held: { tally: Tally; allEnded: Promise<unknown>; connections: readonly Connection[] } | undefined

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
  opened = []
  try {
    await perform(task, requests)
  } catch (error) {
    // Too late is as wrong as wrong: the task fails, the run goes on.
    tally.end((error as Error).message)
    for (const connection of opened) connection.reset()
  }
  return tally.outcome()
}

async function perform(task: CallTask, requests: Requests): Promise<void> {
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
      await hold(task, requests, port)
      break
  }
}

function connectTo(port: number): Connection {
  const connection = new Connection(port)
  opened.push(connection)
  return connection
}

async function closed(
  { connections, leadMs = 0, durationMs, maxCalls = Infinity }: Task & { kind: 'closed' },
  requests: Requests,
  port: number,
): Promise<void> {
  const fromMs = performance.now() + leadMs
  const untilMs = fromMs + durationMs
  let isLead = leadMs > 0
  let begun = 0
  const clients = Array.from({ length: connections }, () => {
    const connection = connectTo(port)
    return patient(
      new Promise<void>((resolve) => {
        const next = (): void => {
          const sentMs = performance.now()
          if (isLead && sentMs >= fromMs) {
            isLead = false
            tally = new Tally()
          }
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
      leadMs + durationMs,
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
  const warm = Array.from({ length: 4 }, () => connectTo(port))
  await Promise.all(warm.map((connection) => once(connection, requests)))
  idle.push(...warm)
  const startMs = performance.now() + 20
  let ended = 0
  await patient(
    new Promise<void>((resolve) => {
      let sent = 0
      pace({ startMs, ratePerSecond }, (dueMs) => {
        sent += 1
        const connection = idle.pop() ?? connectTo(port)
        all.add(connection)
        // No call waits for an answer: what the generator itself is late by is nobody's latency.
        const sentMs = performance.now()
        tally.late(sentMs - dueMs)
        connection.call(requests.next(), requests.expected, {
          onEnd(fault) {
            tally.end(fault, performance.now() - sentMs)
            idle.push(connection)
            ended += 1
            if (ended === count) resolve()
          },
        })
        return sent < count
      })
    }),
    durationMs,
  )
  for (const connection of new Set([...idle, ...all])) connection.close()
}

async function streams(
  { streams, spreadMs }: Task & { kind: 'streams' },
  requests: Requests,
  port: number,
): Promise<void> {
  const running = Array.from({ length: streams }, async (_, index) => {
    await sleep((index * spreadMs) / streams)
    const connection = connectTo(port)
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
  const connection = connectTo(port)
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
): Promise<void> {
  const ending = new Tally()
  const ends: Promise<unknown>[] = []
  let next = 0
  const openers = Array.from({ length: Math.min(atOnce, streams) }, async () => {
    while (next < streams) {
      const connection = connectTo(port)
      next += 1
      await new Promise<void>((resolve) => {
        let isOpen = false
        const begun = (fault: string | undefined): void => {
          if (isOpen) return
          isOpen = true
          tally.end(fault)
          resolve()
        }
        const ended = once(connection, requests, { onEvents: () => begun(undefined) }).then((fault) => {
          begun(fault)
          ending.end(fault)
        })
        ends.push(ended)
      })
    }
  })
  await patient(Promise.all(openers), openingMs)
  held = { tally: ending, allEnded: Promise.all(ends), connections: opened }
}

async function awaitHeld(): Promise<Outcome> {
  const waiting = held
  held = undefined
  if (waiting === undefined) return tally.outcome()
  const fault = await patient(waiting.allEnded, patienceMs).then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (fault !== undefined) waiting.tally.end(fault)
  for (const connection of waiting.connections) connection.reset()
  return waiting.tally.outcome()
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
