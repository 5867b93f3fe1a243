// One running contender.
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'node:http'
import { type Contender, entranceOf, type Found, mainFormat, type Place } from './contender.ts'
import type { Processes } from './processes.ts'
import type { Calls } from './tasks.ts'
import { formats } from './formats.ts'
import { marker, type Addressing, type Format, type Script } from './wire.ts'

/** Slow ones load half of an ecosystem first. */
const readyWithinMs = 120_000
const startTries = 3
/** A log that has grown beyond this is emptied between two measurements. */
const maxLogBytes = 16_000_000

export interface Instance {
  readonly contender: Contender
  readonly child: ChildProcess
  readonly pid: number
  /** Where calls go whose format does not matter: chat, or what it takes in its place. */
  readonly address: Addressing
  /** Formats of calls that it answers right; those that it does not are taken out. */
  readonly formats: Set<Format>
  /** Its files; gone when it has stopped. */
  readonly directory: string
  /** From the start of the process until it said that it is ready, or accepted a connection. */
  readonly readyMs: number
  /** Until the first right answer to a call. */
  readonly firstAnswerMs: number
  /** @param format absent: chat, or what it takes in its place. */
  readonly addressOf: (format?: Format) => Addressing
  callsOf(script: Script, bulkBytes?: number, models?: readonly string[], format?: Format): Calls
  /** Ends it and starts it once more where its files are. @returns milliseconds until it is ready, as `readyMs`. */
  restart(): Promise<number>
  /** Before each measurement. */
  trimLog(): void
  stop(): Promise<void>
}

export interface Ground {
  readonly processes: Processes
  readonly upstreamPort: number
  /** Temporary; each instance gets a folder in it. */
  readonly directory: string
  readonly maxFiles: number
}

/** @throws Error with the end of its log when it does not answer. */
export async function startInstance(
  contender: Contender,
  found: Found & { kind: 'found' },
  ground: Ground,
): Promise<Instance> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await tryStart(contender, found, ground)
    } catch (error) {
      // Another process may have taken the port in between.
      if (tries === startTries) throw error
    }
  }
}

async function tryStart(
  contender: Contender,
  found: Found & { kind: 'found' },
  ground: Ground,
): Promise<Instance> {
  const directory = mkdtempSync(join(ground.directory, 'contender-'))
  try {
    return await startIn(directory, contender, found, ground)
  } catch (error) {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
    throw error
  }
}

async function startIn(
  directory: string,
  contender: Contender,
  found: Found & { kind: 'found' },
  { processes, upstreamPort, maxFiles }: Ground,
): Promise<Instance> {
  const place: Place = { port: await freePort(), upstreamPort, directory, maxFiles }
  const launch = found.launch(place)
  for (const [name, text] of Object.entries(launch.files ?? {})) {
    const file = join(directory, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
  }
  const logFile = join(directory, 'output.log')
  const main = mainFormat(contender)
  const headers = contender.headers?.(place) ?? {}
  const addressOf = (format = main): Addressing => {
    return { port: place.port, path: entranceOf(contender, format).path, headers }
  }
  const address = addressOf()
  const { env = {}, command, args, withChannel = false, isSpread = false } = launch
  const start = () => processes.contender({ command, args, env, directory, logFile, withChannel, isSpread })
  const startedMs = performance.now()
  const child = start()
  let running = child
  const stop = async (): Promise<void> => {
    await processes.stop(running)
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    const readyMs = await untilReady(child, contender.readyPath, address, startedMs)
    const body = formats[main].body(entranceOf(contender, main).model, { kind: 'plain' })
    const firstAnswerMs = await untilAnswer(child, address, body, startedMs)
    return {
      contender,
      get child() {
        return running
      },
      get pid() {
        return running.pid!
      },
      address,
      formats: new Set(Object.keys(contender.entrances) as Format[]),
      directory,
      readyMs,
      firstAnswerMs,
      addressOf,
      callsOf: (script, bulkBytes = 0, models, format = main) => ({
        address: addressOf(format),
        models: models ?? [entranceOf(contender, format).model],
        script,
        bulkBytes,
        format,
      }),
      async restart() {
        await processes.stop(running)
        const restartedMs = performance.now()
        running = start()
        return await untilReady(running, contender.readyPath, address, restartedMs)
      },
      trimLog: () => trim(logFile),
      stop,
    }
  } catch (error) {
    const said = readFileSync(logFile, 'utf8').trim().split('\n').slice(-3).join(' | ')
    await stop()
    throw new Error(`${(error as Error).message}${said === '' ? '' : `; it said: ${said.slice(-400)}`}`, {
      cause: error,
    })
  }
}

function trim(logFile: string): void {
  if (statSync(logFile).size > maxLogBytes) truncateSync(logFile, 0)
}

async function untilReady(
  child: ChildProcess,
  readyPath: string | undefined,
  { port, headers }: Addressing,
  startedMs: number,
): Promise<number> {
  const isReady = async (): Promise<boolean> => {
    if (readyPath === undefined) return await accepts(port)
    const { status } = await exchange({ port, path: readyPath, headers })
    return status === 200
  }
  return await until(child, isReady, startedMs)
}

async function untilAnswer(
  child: ChildProcess,
  address: Addressing,
  body: string,
  startedMs: number,
): Promise<number> {
  return await until(child, async () => (await exchange(address, body)).body.includes(marker), startedMs)
}

/** @returns milliseconds from the start until `holds`, asked again and again. */
async function until(child: ChildProcess, holds: () => Promise<boolean>, startedMs: number): Promise<number> {
  for (;;) {
    if (child.pid === undefined) throw new Error(`cannot run ${child.spawnfile}`)
    if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended at its start')
    if (await holds().catch(() => false)) return performance.now() - startedMs
    if (performance.now() - startedMs > readyWithinMs) throw new Error(`not ready in ${readyWithinMs} ms`)
    await sleep(2)
  }
}

/** One call, for what is not measured. @throws when there is no answer. */
export function exchange(
  { port, path, headers }: Addressing,
  body?: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const all = {
      authorization: 'Bearer none',
      ...headers,
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
    }
    const options = {
      port,
      host: '127.0.0.1',
      path,
      method,
      headers: all,
      agent: false,
      timeout: 20_000,
    } as const
    const call = request(options, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString() }),
      )
      response.on('error', reject)
    })
    call.on('timeout', () => call.destroy(new Error('no answer in 20 s')))
    call.on('error', reject)
    call.end(body)
  })
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
